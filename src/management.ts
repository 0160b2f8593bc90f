import { type Callers, challengeLines, type Lasting } from './callers.js';
import type { Settings } from './config/settings.js';
import type { Operations } from './contracts/operations.js';
import type { PoolMember } from './contracts/pools.js';
import type { ToolState, ToolTurn } from './contracts/toolSwitches.js';
import type { AuthBroker, Clock, Exchange, Handler, Principal, Reply, Signals, Stage, Upstream } from './contracts.js';
import { globs } from './core/glob.js';
import type { AdminDeps, ChildRow, DestinationRow, MemberRow } from './edge/admin.js';
import { LOCAL } from './edge/admin.js';
import type { AdminListener } from './edge/ownListener.js';
import { isOurPeople } from './edge/probes.js';
import { isLoopbackBind } from './gateway/guard.js';
import type { Protection } from './gateway/proxyClient.js';
import type { Metering } from './metering.js';

/** What the management API is made of. */
export interface ManagementParts {
  readonly clock: Clock;
  readonly signals: Signals;
  readonly lasting: Lasting;
  readonly settings: Settings;
  readonly callers: Callers;
  readonly broker: AuthBroker;
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly protections: ReadonlyMap<string, Protection>;
  readonly version: string;
  readonly operations?: Operations;
  /** Puts the stages of the `admin` door before a terminal. */
  through(terminal: Handler): Handler;
}

/** The management API of one configuration, loaded with the first request for it; Express comes with it. */
export function createManagement(parts: ManagementParts): AdminListener {
  return whenAsked(parts, () =>
    import('./edge/app.js').then(async ({ createAdminApp }) => createAdminApp(await adminDeps(parts))),
  );
}

/** `/metrics` of one configuration, loaded with the first request for it. */
export function createMetricsDoor(metering: Metering, parts: ManagementParts): AdminListener {
  const { host, admin } = parts.settings.server;
  const loopback = isLoopbackBind(admin?.host ?? host);
  const read = (openMetrics: boolean) => metering.text(openMetrics);
  return whenAsked(parts, () =>
    import('./edge/metrics.js').then(async ({ createMetricsListener }) =>
      createMetricsListener({ ...(await adminDeps(parts)), loopback, read }),
    ),
  );
}

/** What nobody has asked for yet isn't loaded. */
export function whenAsked(
  { signals }: { readonly signals: Signals },
  load: () => Promise<AdminListener>,
): AdminListener {
  let loaded: Promise<AdminListener> | undefined;
  return (request, response) => {
    loaded ??= load();
    loaded.then(
      (listener) => listener(request, response),
      (error: unknown) => {
        loaded = undefined;
        signals.emit('exchange.failed', { cause: error instanceof Error ? error.stack : String(error) });
        response.destroy();
      },
    );
  };
}

async function adminDeps(parts: ManagementParts): Promise<AdminDeps> {
  const { broker, callers, clock, lasting, operations, protections, settings, signals, upstreams, version } = parts;
  const { audit, quotas, recall } = callers;
  const { identify } = callers.stages;
  return {
    clock,
    signals,
    version,
    ...(identify ? { identify: (exchange: Exchange) => principalOf(exchange, identify) } : atThisMachine(parts)),
    permits: identify ? administration(settings.permissions) : (_, permission) => LOCAL_MAY.has(permission),
    challenge: (exchange) => challengeLines(callers, exchange),
    through: parts.through,
    address: ({ request }) => callers.clientAddress(request.remoteAddress, request.header('x-forwarded-for')),
    keys: await lasting.keys(settings.keyFile),
    ...(audit ? { audit } : {}),
    ...(operations ? { operations } : {}),
    destinations: () => destinationRows(parts),
    resetBreaker: (name) => {
      for (const circuit of protections.get(name)?.breakers.all ?? []) circuit.reset();
    },
    openBreaker: (name, forMs) => protections.get(name)?.breakers.whole.hold(forMs),
    tools: (name) => upstreams.get(name)?.tools?.list(),
    turnTools: (turn) => turnEverywhere(turn, parts),
    sessions: () => lasting.sessions.list(),
    endSession: (id) => lasting.sessions.end(id),
    tokens: () => broker.list(),
    children: () => childRows(parts),
    calls: lasting.calls,
    ui: settings.server.ui,
    // The gateway's own tokens belong to no tenant.
    dropToken: (name, tenant) => (tenant === undefined && broker.drop(name) ? 1 : 0),
    ...(quotas
      ? { quotas: (tenant: string | undefined) => quotas.list(tenant), resetQuota: (id: string) => quotas.reset(id) }
      : {}),
    ...(recall ? { cache: recall } : {}),
  };
}

/** In the other processes of this port, too. */
function turnEverywhere(turn: ToolTurn, parts: ManagementParts): readonly ToolState[] | undefined {
  const turned = turnTools(turn, parts);
  if (turned) parts.operations?.tellTurn?.(turn);
  return turned;
}

/** Switches tools, and forgets the lists that are kept of them; undefined where there are none such. */
export function turnTools(
  { destination, choice, enabled }: ToolTurn,
  { upstreams, callers }: Pick<ManagementParts, 'upstreams' | 'callers'>,
): readonly ToolState[] | undefined {
  const turned = upstreams.get(destination)?.tools?.turn(choice, enabled);
  if (turned) callers.recall?.changed(destination);
  return turned;
}

/** What people at this machine may, where callers can't be known: look. Whoever changes something is known. */
const LOCAL_MAY: ReadonlySet<string> = new Set([
  'admin/breakers/read',
  'admin/calls/read',
  'admin/children/read',
  'admin/destinations/read',
  'admin/sessions/read',
  'admin/tokens/read',
]);

/**
 * True where nobody is known and only this machine reaches the listener, which has no website on it: its paths are its
 * own, and so would its pages be able to read ours.
 */
export function isForThisMachine({ server, identity }: Settings, upstreams: Iterable<Upstream>): boolean {
  const { admin, host, ui } = server;
  if (!ui || identity.size > 0 || !isLoopbackBind(admin?.host ?? host)) return false;
  return admin !== undefined || ![...upstreams].some(({ strategy }) => strategy === 'PASSTHROUGH');
}

function atThisMachine({ settings, upstreams }: ManagementParts): Pick<AdminDeps, 'local'> {
  if (!isForThisMachine(settings, upstreams.values())) return {};
  return { local: ({ request }) => (isOurPeople(request) ? LOCAL : undefined) };
}

/** Who may use the management API: nobody without a role that says so, whatever else callers may. */
function administration(permissions: Settings['permissions']): AdminDeps['permits'] {
  const roles = new Map(Object.entries(permissions?.roles ?? {}).map(([name, { admin }]) => [name, globs(admin)]));
  return ({ roles: held }, permission) => held.some((name) => roles.get(name)?.(permission) === true);
}

const NOTHING: Reply = { status: 204, headers: [], body: null, origin: 'gateway' };

/** Runs the stage alone: it writes who calls, or throws. */
async function principalOf(exchange: Exchange, identify: Stage): Promise<Principal | undefined> {
  await identify(exchange, () => NOTHING);
  return exchange.principal;
}

/** A child that is everybody's is its destination's tenant's, where that has one. */
function childRows(parts: ManagementParts): ChildRow[] {
  const tenants = new Map(destinationRows(parts).map(({ name, tenant }) => [name, tenant]));
  return [...parts.upstreams].flatMap(([destination, upstream]) =>
    (upstream.children?.() ?? []).map(({ pid, since, owner }) => {
      const tenant = owner ? owner.tenant : tenants.get(destination);
      return {
        destination,
        pid,
        since,
        ...(owner ? { subject: owner.subject } : {}),
        ...(tenant === undefined ? {} : { tenant }),
      };
    }),
  );
}

function destinationRows({ settings, upstreams, protections }: ManagementParts): DestinationRow[] {
  const tenants = Object.entries(settings.permissions?.tenants ?? {}).map(
    ([tenant, { destinations }]) => [tenant, globs(destinations)] as const,
  );
  return [...upstreams].map(([name, upstream]) => {
    const owners = tenants.filter(([, owns]) => owns(name)).map(([owner]) => owner);
    // What several share belongs to none of them.
    const tenant = owners.length === 1 ? owners[0] : undefined;
    return {
      name,
      kind: settings.destinations.get(name)?.kind ?? 'http',
      strategy: upstream.strategy,
      breaker: protections.get(name)?.breakers.whole.state ?? 'closed',
      ...partsOf(protections.get(name)),
      ...(upstream.pool ? { members: upstream.pool.members.map(memberRow) } : {}),
      // A child's has no origin: nothing is ever sent there.
      ...(upstream.url && upstream.url.origin !== 'null' ? { url: upstream.url.origin + upstream.url.pathname } : {}),
      ...(upstream.credential === undefined ? {} : { credential: upstream.credential }),
      ...(tenant === undefined ? {} : { tenant }),
    };
  });
}

function partsOf(protection: Protection | undefined): Pick<DestinationRow, 'breakers'> {
  const [, ...parts] = protection?.breakers.all ?? [];
  if (parts.length === 0) return {};
  return { breakers: parts.map(({ name: { destination: _, ...of }, state }) => ({ state, ...of })) };
}

function memberRow({ url, state, inFlight }: PoolMember): MemberRow {
  return { url: url.origin + url.pathname, state, inFlight };
}
