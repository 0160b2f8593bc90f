import { readFile } from 'node:fs/promises';
import { filesOf } from './config/entries.js';
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
  Upstream,
} from './contracts.js';
import type { Started } from './core/async.js';
import { Kept } from './core/kept.js';
import { Seal } from './core/seal.js';
import { CallFeed } from './gateway/callFeed.js';
import type { StageName } from './gateway/pipeline.js';
import type { Protection } from './gateway/proxyClient.js';
import type { Recall } from './gateway/resultCache.js';
import { Sessions } from './gateway/sessions.js';
import { type Challenge, challengeOf, protectedResource, stepUpLines, unknownLines } from './identity/challenge.js';
import { build, kinds } from './kinds.js';
import type { AuditLogs } from './policy/audit.js';
import type { RunningQuotas } from './policy/quotas.js';
import type { SharedLimits } from './stores/redis.js';
import { clientAddressRule, trustedProxyRule } from './wire/clientAddress.js';
import { createRest } from './wire/rest.js';

/** What outlives a reload: a new configuration must not forget whose a session is, nor end what it leaves as it was. */
export class Lasting {
  readonly sessions: Sessions;
  /** Those who look on stay when the configuration changes. */
  readonly calls: CallFeed;
  readonly kept = new Kept();
  readonly rest = createRest();
  readonly seal: Seal;
  /** Destinations that have read ahead, and with which credential. */
  readonly warmed = new WeakMap<Upstream, string>();
  /** Each destination of the running configuration, as a federation calls it. */
  members: ReadonlyMap<string, Handler> = new Map();
  /** What guards each destination of the configuration that was taken last. */
  protections: ReadonlyMap<string, Protection> = new Map();
  readonly #deps: { readonly clock: Clock; readonly signals: Signals };
  readonly #rings = new Map<string, KeyRing>();
  #audits: AuditLogs | undefined;
  /** Tells this process's files from those of its fellow workers. */
  readonly suffix: string | undefined;

  constructor(deps: { readonly clock: Clock; readonly signals: Signals }, suffix?: string, sessionKey?: string) {
    this.#deps = deps;
    this.suffix = suffix;
    this.seal = new Seal(sessionKey);
    this.calls = new CallFeed(deps.clock);
    this.sessions = new Sessions(deps.clock, this.seal);
  }

  close(): void {
    this.rest.close();
  }

  /** The audit logs, once one has been asked for. */
  get audits(): AuditLogs | undefined {
    return this.#audits;
  }

  async openAudits(): Promise<AuditLogs> {
    const { AuditLogs } = await import('./policy/audit.js');
    this.#audits ??= new AuditLogs();
    return this.#audits;
  }

  /** One ring per file: it remembers what it last read. */
  async keys(file: string): Promise<KeyRing> {
    const { openKeyRing } = await import('./identity/keyRing.js');
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
  readonly challenge: Challenge;
  readonly recall: Recall | undefined;
  readonly audit: AuditLog | undefined;
  readonly quotas: RunningQuotas | undefined;
  clientAddress(socket: string, forwardedFor: string | undefined): string;
  /** Binds sessions to the callers that began them, on the way through a terminal. */
  terminal(terminal: Handler): Handler;
  /** Answers for `/.well-known/oauth-protected-resource`. */
  wellKnown(exchange: Exchange): object | undefined;
  /** Keeps what became of an exchange. */
  record?(exchange: Exchange, address: string, outcome: Outcome, status: number): void;
}

/** Loads what the configuration asks for, and nothing else: most starts want none of it. */
export async function createCallers(settings: Settings, deps: CallersDeps): Promise<Callers> {
  const { lasting } = deps;
  const { server } = settings;
  const clientAddress = clientAddressRule(server.trustedProxies);
  const quotas = await openQuotas(settings, deps, clientAddress);
  const providers = await openProviders(settings, deps);
  const challenge = challengeOf(providers.values(), server.publicUrl);
  const known = providers.size > 0;
  const recall = await openRecall(settings, deps);
  const audit = await openAuditLog(settings, deps);
  return {
    stages: {
      ...(quotas ? await limits(quotas, clientAddress) : {}),
      ...(known ? await identification(providers, { challenge, quotas, clientAddress }) : {}),
      ...(known || settings.permissions ? await authorization(settings, challenge) : {}),
      ...(recall ? { recall: recall.stage } : {}),
    },
    known,
    challenge,
    recall,
    audit: audit?.log,
    quotas,
    clientAddress,
    terminal: (terminal) => (known ? lasting.sessions.guard(terminal) : terminal),
    wellKnown: (exchange) => protectedResource(challenge, exchange.request),
    ...(audit ? { record: audit.record } : {}),
  };
}

async function limits(quotas: RunningQuotas, clientAddress: Callers['clientAddress']): Promise<Callers['stages']> {
  const { createLimitAddress, createLimitCaller } = await import('./gateway/limits.js');
  return { limitAddress: createLimitAddress(quotas, clientAddress), limitCaller: createLimitCaller(quotas) };
}

async function identification(
  providers: ReadonlyMap<string, IdentityProvider>,
  { challenge, quotas, clientAddress }: Pick<Callers, 'challenge' | 'quotas' | 'clientAddress'>,
): Promise<Callers['stages']> {
  const { createIdentify } = await import('./identity/identify.js');
  const blame = (address: string) => quotas?.blame(address);
  return { identify: createIdentify(providers, { challenge, blame, clientAddress }) };
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
  const { argumentRule, entryOf } = await import('./gateway/auditing.js');
  const log = await (await lasting.openAudits()).take(wanted, place);
  started.add(() => log.close());
  const rule = argumentRule(wanted);
  const record: Auditing['record'] = (exchange, address, outcome, status) =>
    log.append(entryOf(exchange, address, outcome, status, clock.now(), rule));
  return { log, record };
}

async function authorization(settings: Settings, challenge: Challenge): Promise<Callers['stages']> {
  const { createPermissions } = await import('./policy/permissions.js');
  const { createAuthorize, createConceal } = await import('./gateway/authorize.js');
  const permissions = await createPermissions(settings.permissions);
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
  { kindDeps, lasting, started }: CallersDeps,
): Promise<ReadonlyMap<string, IdentityProvider>> {
  const trustedProxy = trustedProxyRule(settings.server.trustedProxies);
  const providers = new Map<string, IdentityProvider>();
  if (settings.identity.size === 0) return providers;
  const keys = await lasting.keys(settings.keyFile);
  for (const [name, entry] of settings.identity) {
    const { publicUrl } = settings.server;
    const identityDeps: IdentityDeps = { ...kindDeps(name, entry.baseDir), publicUrl, trustedProxy, keys };
    const provider = await build<IdentityProvider, IdentityDeps>(kinds.identity, entry, identityDeps);
    started.add(() => provider.close?.());
    providers.set(name, provider);
  }
  return providers;
}

/** A reload that leaves the limits as they were gives nobody back what was drawn. */
async function openQuotas(
  settings: Settings,
  { clock, signals, kindDeps, lasting, started }: CallersDeps,
  clientAddress: Callers['clientAddress'],
): Promise<RunningQuotas | undefined> {
  const { quotas: wanted, server } = settings;
  if (!wanted) return undefined;
  const store = wanted.store === undefined ? undefined : settings.stores.get(wanted.store);
  const { createQuotas } = await import('./policy/quotas.js');
  const kept = await lasting.kept.take(['quotas', wanted, store, server.trustedProxies], async () => {
    const shared = wanted.store === undefined ? undefined : await openStore(wanted.store, settings, kindDeps);
    const quotas = createQuotas(wanted, { clock, signals, clientAddress, ...(shared ? { shared } : {}) });
    const close = () => {
      quotas.close();
      shared?.close();
    };
    return { quotas, close };
  });
  started.add(() => kept.release());
  return kept.value.quotas;
}

/** What is kept outlives a reload only where everything is as it was that an answer, or who may get it, could depend on. */
async function openRecall(settings: Settings, deps: CallersDeps): Promise<Recall | undefined> {
  const { resultCache } = settings.resilience;
  if (!resultCache.enabled) return undefined;
  const { createRecall } = await import('./gateway/resultCache.js');
  const { destinations, credentials, identity, permissions, keyFile, defaultHeaders, server } = settings;
  const entries = [...destinations, ...credentials, ...identity];
  const files = await Promise.all(entries.flatMap(([, entry]) => filesOf(entry)).map(textOf));
  const wish = [resultCache, entries, files, permissions, keyFile, defaultHeaders, server.publicUrl];
  const kept = await deps.lasting.kept.take(['resultCache', ...wish], () => {
    const recall = createRecall(resultCache, { clock: deps.clock, personal: personalRule(deps.sources) });
    return { recall, close: () => recall.clear() };
  });
  deps.started.add(() => kept.release());
  return kept.value.recall;
}

/** A file that isn't there is told by whoever needs it. */
function textOf(file: string): Promise<string> {
  return readFile(file, 'utf8').catch(() => '');
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
