import type { Entry, Settings } from './config/settings.js';
import type { AuditLog, IdentityDeps, IdentityProvider, KeyRing } from './contracts/callers.js';
import type {
  Clock,
  CredentialSource,
  Exchange,
  Handler,
  KindDeps,
  Outcome,
  Route,
  Signals,
  Stage,
} from './contracts.js';
import type { Started } from './core/async.js';
import { Kept } from './core/kept.js';
import { Seal } from './core/seal.js';
import { argumentRule, entryOf } from './gateway/auditing.js';
import { createAuthorize, createConceal } from './gateway/authorize.js';
import { createLimitAddress, createLimitCaller } from './gateway/limits.js';
import type { StageName } from './gateway/pipeline.js';
import { createRecall, type Recall } from './gateway/resultCache.js';
import { Sessions } from './gateway/sessions.js';
import { type Challenge, challengeOf, protectedResource, stepUpLines, unknownLines } from './identity/challenge.js';
import { createIdentify } from './identity/identify.js';
import { openKeyRing } from './identity/keyRing.js';
import { build, kinds } from './kinds.js';
import { AuditLogs } from './policy/audit.js';
import { createPermissions, type PermissionPolicy } from './policy/permissions.js';
import { createQuotas, type RunningQuotas } from './policy/quotas.js';
import type { SharedLimits } from './stores/redis.js';
import { clientAddressRule, trustedProxyRule } from './wire/clientAddress.js';
import { createRest } from './wire/rest.js';

/** What outlives a reload: a new configuration must not forget whose a session is, nor end what it leaves as it was. */
export class Lasting {
  readonly sessions: Sessions;
  readonly audits = new AuditLogs();
  readonly kept = new Kept();
  readonly rest = createRest();
  readonly seal: Seal;
  /** Each destination of the running configuration, as a federation calls it. */
  members: ReadonlyMap<string, Handler> = new Map();
  readonly #deps: { readonly clock: Clock; readonly signals: Signals };
  readonly #rings = new Map<string, KeyRing>();
  /** Tells this process's files from those of its fellow workers. */
  readonly suffix: string | undefined;

  constructor(deps: { readonly clock: Clock; readonly signals: Signals }, suffix?: string, sessionKey?: string) {
    this.#deps = deps;
    this.suffix = suffix;
    this.seal = new Seal(sessionKey);
    this.sessions = new Sessions(deps.clock, this.seal);
  }

  close(): void {
    this.rest.close();
  }

  /** One ring per file: it remembers what it last read. */
  keys(file: string): KeyRing {
    const ring = this.#rings.get(file) ?? openKeyRing(file, this.#deps);
    this.#rings.set(file, ring);
    return ring;
  }
}

export interface CallersDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  readonly lasting: Lasting;
  readonly started: Started;
  kindDeps(name: string, baseDir: string): KindDeps;
  /** By the names that the configuration gave. */
  readonly sources: ReadonlyMap<string, CredentialSource>;
}

/** Who may call what: the stages that a configuration asks for, and what they are made of. What it doesn't ask for is absent, and costs nothing. */
export interface Callers {
  readonly stages: Partial<Record<StageName, Stage>>;
  /** True where callers are known. */
  readonly known: boolean;
  readonly keys: KeyRing;
  readonly challenge: Challenge;
  readonly recall: Recall | undefined;
  readonly audit: AuditLog | undefined;
  clientAddress(socket: string, forwardedFor: string | undefined): string;
  /** Binds sessions to the callers that began them, on the way through a terminal. */
  terminal(terminal: Handler): Handler;
  /** Answers for `/.well-known/oauth-protected-resource`. */
  wellKnown(exchange: Exchange): object | undefined;
  /** Keeps what became of an exchange. */
  record?(exchange: Exchange, address: string, outcome: Outcome, status: number): void;
}

export async function createCallers(settings: Settings, deps: CallersDeps): Promise<Callers> {
  const { lasting, clock } = deps;
  const { server, resilience } = settings;
  const clientAddress = clientAddressRule(server.trustedProxies);
  const keys = lasting.keys(settings.keyFile);
  const quotas = await openQuotas(settings, deps, clientAddress);
  const providers = await openProviders(settings, deps, keys);
  const challenge = challengeOf(providers.values(), server.publicUrl);
  const permissions = await createPermissions(settings.permissions);
  const known = providers.size > 0;
  const blame = (address: string) => quotas?.blame(address);
  const identify = known ? createIdentify(providers, { challenge, blame, clientAddress }) : undefined;
  const recall = resilience.resultCache.enabled
    ? createRecall(resilience.resultCache, { clock, personal: personalRule(deps.sources) })
    : undefined;
  const audit = await openAuditLog(settings, deps);
  return {
    stages: {
      ...(quotas
        ? { limitAddress: createLimitAddress(quotas, clientAddress), limitCaller: createLimitCaller(quotas) }
        : {}),
      ...(identify ? { identify } : {}),
      ...(known || settings.permissions ? authorization(permissions, challenge) : {}),
      ...(recall ? { recall: recall.stage } : {}),
    },
    known,
    keys,
    challenge,
    recall,
    audit: audit?.log,
    clientAddress,
    terminal: (terminal) => (known ? lasting.sessions.guard(terminal) : terminal),
    wellKnown: (exchange) => protectedResource(challenge, exchange.request),
    ...(audit ? { record: audit.record } : {}),
  };
}

interface Auditing {
  readonly log: AuditLog;
  readonly record: NonNullable<Callers['record']>;
}

async function openAuditLog(
  settings: Settings,
  { clock, signals, lasting, started }: CallersDeps,
): Promise<Auditing | undefined> {
  const { audit: wanted } = settings.telemetry;
  if (!wanted) return undefined;
  const { suffix } = lasting;
  const place = { clock, signals, baseDir: settings.baseDir, ...(suffix === undefined ? {} : { suffix }) };
  const log = await lasting.audits.take(wanted, place);
  started.add(() => log.close());
  const rule = argumentRule(wanted);
  const record: Auditing['record'] = (exchange, address, outcome, status) =>
    log.append(entryOf(exchange, address, outcome, status, clock.now(), rule));
  return { log, record };
}

function authorization(permissions: PermissionPolicy, challenge: Challenge): Callers['stages'] {
  return {
    conceal: createConceal(permissions),
    authorize: createAuthorize({
      permissions,
      // Clients may ask for what is named here and nothing else: without what any call needs, the new token would be refused, too.
      challenge: ({ request }, scopes) =>
        stepUpLines(challenge, request, [...new Set([...challenge.scopes, ...scopes])]),
    }),
  };
}

async function openProviders(
  settings: Settings,
  { kindDeps, started }: CallersDeps,
  keys: KeyRing,
): Promise<ReadonlyMap<string, IdentityProvider>> {
  const trustedProxy = trustedProxyRule(settings.server.trustedProxies);
  const providers = new Map<string, IdentityProvider>();
  for (const [name, entry] of settings.identity) {
    const { publicUrl } = settings.server;
    const identityDeps: IdentityDeps = { ...kindDeps(name, entry.baseDir), publicUrl, trustedProxy, keys };
    const provider = await build<IdentityProvider, IdentityDeps>(kinds.identity, entry, identityDeps);
    started.add(() => provider.close?.());
    providers.set(name, provider);
  }
  return providers;
}

async function openQuotas(
  settings: Settings,
  { clock, signals, kindDeps, started }: CallersDeps,
  clientAddress: Callers['clientAddress'],
): Promise<RunningQuotas | undefined> {
  const { quotas: wanted } = settings;
  if (!wanted) return undefined;
  const shared = wanted.store === undefined ? undefined : await openStore(wanted.store, settings, kindDeps);
  if (shared) started.add(() => shared.close());
  const quotas = createQuotas(wanted, { clock, signals, clientAddress, ...(shared ? { shared } : {}) });
  started.add(() => quotas.close());
  return quotas;
}

/** The store that the configuration has been checked to have. */
function openStore(name: string, { stores }: Settings, kindDeps: CallersDeps['kindDeps']): Promise<SharedLimits> {
  const entry = stores.get(name) as Entry;
  return build<SharedLimits, KindDeps>(kinds.stores, entry, kindDeps(name, entry.baseDir));
}

/** What a caller's own credential or headers bring about is that caller's alone. */
function personalRule(sources: ReadonlyMap<string, CredentialSource>): (route: Route) => boolean {
  return ({ credential, upstream }) =>
    upstream.personal === true || (credential !== undefined && sources.get(credential)?.scope === 'caller');
}

/** For a 401 of the management API. */
export function challengeLines(callers: Callers, { request }: Exchange): readonly string[] {
  return unknownLines(callers.challenge, request, request.header('authorization') !== undefined);
}
