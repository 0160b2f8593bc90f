import type { Callers, Lasting } from './callers.js';
import type { Settings } from './config/settings.js';
import type { Operations } from './contracts/operations.js';
import type { Tracer } from './contracts/tracer.js';
import type { AuthBroker, Clock, Exchange, Handler, Signals, Stage, Upstream } from './contracts.js';
import type { Running } from './core/async.js';
import { GatewayError } from './core/errors.js';
import { CALLBACK_PATH, loginIdIn } from './edge/loginPaths.js';
import type { Doors } from './edge/server.js';
import type { SseDoor, SseWays } from './edge/sseDoor.js';
import { asMcpTarget } from './edge/ssePaths.js';
import { askingForLogins } from './gateway/askingForLogins.js';
import { isPreflight, preflightReply } from './gateway/cors.js';
import { Fallbacks } from './gateway/fallback.js';
import { createGuard } from './gateway/guard.js';
import { createObserve, withAnswerLines } from './gateway/observe.js';
import { passthrough } from './gateway/passthrough.js';
import { compile, type StageName } from './gateway/pipeline.js';
import { PoolRoutes } from './gateway/poolRoutes.js';
import { createProxyClient, type Protection } from './gateway/proxyClient.js';
import { createSelect } from './gateway/select.js';
import { createIntercept, createRead, createRoute } from './gateway/stages.js';
import { tracedStages } from './gateway/traceSteps.js';
import type { OpenedLogins } from './logins.js';
import { createManagement, createMetricsDoor, isForThisMachine, whenAsked } from './management.js';
import type { Metering } from './metering.js';
import { countBroken } from './protections.js';
import type { RoutingTable } from './router/requestInterceptor.js';
import { route } from './router/router.js';

export interface DoorsDeps {
  readonly clock: Clock;
  readonly signals: Signals;
  readonly lasting: Lasting;
  readonly version: string;
  /** What an operator may do to the process by the management API. */
  readonly operations?: Operations;
  /** Absent for a process that has no door for HTTP. */
  readonly sse?: SseDoor;
  /** True once the process stops: new work is refused. */
  draining(): boolean;
  /** True for what there is neither memory nor a connection for. */
  overloaded?(exchange: Exchange): boolean;
  readonly metering?: Metering;
  /** Absent for a process that has no door for HTTP. */
  readonly ownUrl?: () => string;
}

/** What the chains of one configuration lead through. */
export interface Parts {
  readonly broker: AuthBroker;
  readonly upstreams: ReadonlyMap<string, Upstream>;
  readonly protections: ReadonlyMap<string, Protection>;
  readonly running: Running;
  readonly callers: Callers;
  /** How people log in; absent where no credential is any person's. */
  readonly people?: Pick<OpenedLogins, 'pending' | 'callback'>;
  /** Absent where no traces are asked for. */
  readonly tracer?: Tracer;
}

/** The chain of each door, and of each destination as a federation calls it. */
export function compileDoors(
  settings: Settings,
  deps: DoorsDeps,
  parts: Parts,
): Doors & { readonly members: ReadonlyMap<string, Handler> } {
  const { upstreams, protections, callers } = parts;
  const { server } = settings;
  const table = routingTable(settings, parts);
  const first = firstStages(settings, deps, parts);
  const selects = [...upstreams.values()].some(({ offers }) => offers);
  const stages = {
    ...first,
    ...(parts.tracer ? tracedStages(callers.stages) : callers.stages),
    intercept: createIntercept(table),
    read: createRead(server.maxBodyBytes, selects || settings.permissions !== undefined),
    route: createRoute(upstreams),
    ...(selects ? { select: createSelect() } : {}),
  };
  const protection = (destination: string) => protections.get(destination) as Protection;
  const terminal = withFallbacks(callers.terminal(passthrough(forwarding(deps, parts, protection))), settings, deps);
  const member = compile('member', stages, terminal);
  const { limitAddress } = callers.stages;
  const through = (last: Handler) => compile('admin', { ...first, ...(limitAddress ? { limitAddress } : {}) }, last);
  return {
    mcp: compile('mcp', stages, terminal),
    stdio: compile('stdio', stages, terminal),
    web: compile('web', stages, passthrough()),
    ...(deps.sse ? { sse: sseWays(deps.sse, settings, { stages, terminal, table }) } : {}),
    ...(parts.people && deps.ownUrl ? { logins: loginPages(settings, deps, through, parts.people) } : {}),
    ...(callers.known ? { metadata: through(metadata(callers)) } : {}),
    ...(callers.known || isForThisMachine(settings, upstreams.values())
      ? { admin: createManagement({ ...deps, ...parts, settings, through }) }
      : {}),
    ui: server.ui,
    ...(deps.metering ? { metrics: createMetricsDoor(deps.metering, { ...deps, ...parts, settings, through }) } : {}),
    members: membersOf(parts, member),
  };
}

/** Nothing stands before the terminal where no destination has a fallback. */
function withFallbacks(terminal: Handler, { destinations }: Settings, { lasting, ...deps }: DoorsDeps): Handler {
  const named = [...destinations].map(([name, { common }]) => [name, common?.fallback ?? []] as const);
  const fallbacks = new Map(named.filter(([, names]) => names.length > 0));
  if (fallbacks.size === 0) return terminal;
  const member = (name: string) => lasting.members.get(name);
  return new Fallbacks(fallbacks, { ...deps, seal: lasting.seal, member }).before(terminal);
}

/** What forwards a call to its MCP upstream, and asks its client for a login where a person must log in. */
function forwarding(
  deps: DoorsDeps,
  { broker, people }: Parts,
  protection: (destination: string) => Protection,
): Handler {
  const { clock, lasting } = deps;
  const { seal } = lasting;
  const proxyClient = createProxyClient({ ...deps, broker, protection, pools: new PoolRoutes(seal) });
  return people ? askingForLogins(proxyClient, { clock, seal }) : proxyClient;
}

/** What nobody has opened yet isn't loaded. */
function loginPages(
  { server }: Settings,
  deps: DoorsDeps,
  through: (last: Handler) => Handler,
  { pending, callback }: NonNullable<Parts['people']>,
): NonNullable<Doors['logins']> {
  const more = { ...(callback ? { callback } : {}), ...(server.publicUrl ? { origin: server.publicUrl.origin } : {}) };
  return {
    serves: (path) => loginIdIn(path) !== undefined || (callback !== undefined && path === CALLBACK_PATH),
    listener: whenAsked(deps, async () => {
      const { createLoginDoor } = await import('./edge/loginDoor.js');
      return createLoginDoor({ ...deps, through, pending, seal: deps.lasting.seal, ...more });
    }),
  };
}

function firstStages(
  { server }: Settings,
  deps: DoorsDeps,
  { callers, running, protections, upstreams, tracer }: Parts,
) {
  const { clientAddress, record } = callers;
  return {
    observe: createObserve({
      ...deps,
      clientAddress,
      running,
      ...(record ? { record } : {}),
      calls: deps.lasting.calls,
      ...(deps.metering ? { meter: deps.metering.meter } : {}),
      ...(tracer ? { tracer } : {}),
      upstreamBroke: (exchange, { destination }) => {
        if (!upstreams.get(destination)?.delegates) countBroken(protections.get(destination), exchange);
      },
    }),
    guard: createGuard(server, deps.draining, deps.overloaded),
  };
}

function routingTable({ server, forced }: Settings, { upstreams, callers }: Parts): RoutingTable {
  const { defaultDestination, passthrough: last } = server;
  return {
    upstreams,
    suggest: !callers.known,
    ...(forced.destination === undefined ? {} : { forced: forced.destination }),
    ...(defaultDestination === undefined ? {} : { defaultDestination }),
    ...(last === undefined ? {} : { passthrough: last }),
  };
}

type Stages = Partial<Record<StageName, Stage>> & { readonly observe: Stage };

/** HTTP+SSE names its destinations by paths of its own; what is said there goes the way of everything else. */
function sseWays(
  door: SseDoor,
  { server, forced }: Settings,
  { stages, terminal, table }: { stages: Stages; terminal: Handler; table: RoutingTable },
): SseWays {
  const intercept = createIntercept(table, (request) => ({
    target: asMcpTarget(request.target),
    header: (name) => request.header(name),
  }));
  const prefix = server.publicUrl?.pathname.replace(/\/$/, '') ?? '';
  return {
    open: compile('sse', { ...stages, intercept }, door.opening({ prefix, maxBodyBytes: server.maxBodyBytes })),
    post: compile('post', { ...stages, join: door.join }, door.say),
    message: compile('message', stages, door.admitting(terminal)),
    refuse: (exchange, error) =>
      stages.observe(exchange, () => {
        throw error;
      }),
    atRoot: forced.sseAtRoot === true,
  };
}

/** The destinations of a configuration, as others of it call them. */
function membersOf({ upstreams, protections, running }: Parts, chain: Handler): ReadonlyMap<string, Handler> {
  return new Map(
    [...upstreams].map(([name, upstream]) => {
      return [name, asMember(upstream, chain, { running, protection: () => protections.get(name) })];
    }),
  );
}

/**
 * The way to a destination whose name nobody had to say: its own permissions and limits hold all the same. Whoever calls
 * it tells `ended` when that is over: it may have come by the doors of an older configuration, so that this one counts it itself.
 * Nobody observes it but its caller, so that its answer is joined here by what is left of its own limits.
 */
function asMember(
  upstream: Upstream,
  chain: Handler,
  { running, protection }: Pick<Parts, 'running'> & { protection(): Protection | undefined },
): Handler {
  const decision = { strategy: upstream.strategy, destination: upstream.name, by: 'member' } as const;
  const ended: Exchange['ended'] = (exchange, outcome) => {
    running.leave();
    if (outcome === 'upstream-broke' && !upstream.delegates) countBroken(protection(), exchange);
  };
  return (exchange) => {
    running.enter();
    exchange.ended = ended;
    exchange.decision = decision;
    exchange.route = route(decision, exchange.request, new Map([[upstream.name, upstream]]));
    const reply = chain(exchange);
    if (!(reply instanceof Promise)) return withAnswerLines(reply, exchange);
    return reply.then((later) => withAnswerLines(later, exchange));
  };
}

/** RFC 9728 documents; whoever has none to show has nothing there. */
function metadata(callers: Callers): Handler {
  return (exchange) => {
    // A client in a browser asks with `MCP-Protocol-Version`, and so has to ask before.
    if (isPreflight(exchange.request)) return preflightReply(exchange.request);
    const document = callers.wellKnown(exchange);
    if (!document) throw new GatewayError('NOT_FOUND', 'there is no such document');
    const body = Buffer.from(JSON.stringify(document));
    const headers = ['content-type', 'application/json', 'content-length', String(body.length)];
    return { status: 200, headers, body, origin: 'gateway' };
  };
}
