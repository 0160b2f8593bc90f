import type { Entry } from './config/settings.js';
import type { SharedAnswers } from './contracts/answers.js';
import type { IdentityDeps, IdentityProvider } from './contracts/callers.js';
import type { BreakerHints } from './contracts/hints.js';
import type { Rules, RulesDeps } from './contracts/rules.js';
import type { Toolset, ToolsetDeps, ToolsetUpstreamDeps } from './contracts/tools.js';
import type {
  AnyKind,
  CredentialDeps,
  CredentialSource,
  Expansion,
  KindDeps,
  SecretDeps,
  SecretManager,
  Upstream,
  UpstreamDeps,
  Vault,
} from './contracts.js';
import { PARSED_ONCE } from './core/schema.js';
import type { SharedLimits } from './stores/redis.js';
import type { AnswersDeps } from './stores/redisAnswers.js';
import type { VaultDeps } from './stores/redisVault.js';

/** A module that default-exports a kind. */
export type Load<Contract, Deps = KindDeps> = () => Promise<{ default: AnyKind<Contract, Deps> }>;

/**
 * The registry: extension point → kind → where it lives. A kind is loaded when a configuration names it, not before.
 * `shorthands` are destinations that stand for an upstream and its credential.
 */
export const kinds = {
  destinations: {
    http: () => import('./upstreams/http.js'),
    sse: () => import('./upstreams/sse.js'),
    stdio: () => import('./upstreams/stdio.js'),
    web: () => import('./upstreams/web.js'),
    federation: () => import('./upstreams/federation.js'),
    toolset: () => import('./upstreams/toolset.js'),
  },
  /** Tools that live in this house, for destinations of kind `toolset`. */
  toolsets: {
    demo: () => import('./connectors/demo/toolset.js'),
    qlik: () => import('./connectors/qlik/toolset.js'),
  },
  shorthands: {
    'service-key': () => import('./credentials/serviceKeyShorthand.js'),
    'btp-destination': () => import('./credentials/btpDestinationShorthand.js'),
    demo: () => import('./connectors/demo/demo.js'),
  },
  credentials: {
    'client-credentials': () => import('./credentials/clientCredentials.js'),
    'service-key': () => import('./credentials/serviceKey.js'),
    'authorization-code': () => import('./credentials/authorizationCode.js'),
    'device-code': () => import('./credentials/deviceCode.js'),
    'refresh-token': () => import('./credentials/refreshToken.js'),
    'signed-jwt': () => import('./credentials/signedJwt.js'),
    'mcp-oauth': () => import('./credentials/mcpOAuth.js'),
    'btp-destination': () => import('./credentials/btpDestination.js'),
    qlik: () => import('./credentials/qlik.js'),
    'token-exchange': () => import('./credentials/tokenExchange.js'),
    'jwt-bearer': () => import('./credentials/jwtBearer.js'),
    passthrough: () => import('./credentials/passthrough.js'),
    static: () => import('./credentials/staticKey.js'),
  },
  identity: {
    'api-key': () => import('./identity/apiKey.js'),
    jwt: () => import('./identity/jwt.js'),
    introspection: () => import('./identity/introspection.js'),
    mtls: () => import('./identity/mtls.js'),
    anonymous: () => import('./identity/anonymous.js'),
  },
  stores: {
    redis: () => import('./stores/redis.js'),
  },
  secrets: {
    'hashicorp-vault': () => import('./secrets/hashicorpVault.js'),
    'aws-secrets-manager': () => import('./secrets/awsSecretsManager.js'),
    'azure-key-vault': () => import('./secrets/azureKeyVault.js'),
    'google-secret-manager': () => import('./secrets/googleSecretManager.js'),
    kubernetes: () => import('./secrets/kubernetesSecrets.js'),
  },
  /** What counts as a failure of a destination, and what may be repeated. */
  rules: {
    'json-rpc': () => import('./resilience/jsonRpcRules.js'),
  },
  /** Stores by which breakers hear of each other, by the same kind and options. */
  hints: {
    redis: () => import('./stores/redisHints.js'),
  },
  /** Stores that keep logins, too; by the same kind and options. */
  vaults: {
    redis: () => import('./stores/redisVault.js'),
  },
  /** Stores that keep vendors' answers, too; by the same kind and options. */
  answers: {
    redis: () => import('./stores/redisAnswers.js'),
  },
} satisfies {
  destinations: Record<string, Load<Upstream, UpstreamDeps> | Load<Upstream, ToolsetUpstreamDeps>>;
  toolsets: Record<string, Load<Toolset, ToolsetDeps>>;
  shorthands: Record<string, Load<Expansion>>;
  credentials: Record<string, Load<CredentialSource, CredentialDeps>>;
  identity: Record<string, Load<IdentityProvider, IdentityDeps>>;
  stores: Record<string, Load<SharedLimits>>;
  secrets: Record<string, Load<SecretManager, SecretDeps>>;
  rules: Record<string, Load<Rules, RulesDeps>>;
  hints: Record<string, Load<BreakerHints, VaultDeps>>;
  vaults: Record<string, Load<Vault, VaultDeps>>;
  answers: Record<string, Load<SharedAnswers, AnswersDeps>>;
};

/** Loads an entry's kind and creates it; the configuration has been checked, so nothing is reported here but what broke since. */
export async function build<Contract, Deps>(
  point: Record<string, Load<Contract, Deps>>,
  entry: Entry,
  deps: Deps,
): Promise<Contract> {
  const load = point[entry.kind];
  if (!load) throw new Error(`no such kind: ${entry.kind}`);
  const { default: kind } = await load();
  return kind.create(kind.options.parse(entry.options, PARSED_ONCE) as never, deps);
}
