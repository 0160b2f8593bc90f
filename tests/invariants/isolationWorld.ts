import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { type App, createApp } from '../../src/app.js';
import { Lasting } from '../../src/callers.js';
import { loadConfig } from '../../src/config/configManager.js';
import type { Settings } from '../../src/config/settings.js';
import type { Clock, Exchange, Handler, Reply, Signals } from '../../src/contracts.js';
import { RequestIds } from '../../src/edge/exchanges.js';
import { SseDoor, type SseWays } from '../../src/edge/sseDoor.js';
import { kinds } from '../../src/kinds.js';
import { fakeExchange, fakeInbound } from '../helpers/fakes.js';

export const TENANTS = ['red', 'green', 'blue'];
/** A destination of each tenant's own, some that all share, and one that is shown the caller's cookie. */
export const DESTINATIONS = [...TENANTS, 'common', 'other', 'personal'];
export const TOOLS = ['read_a', 'read_b', 'write_a', 'write_b', 'drop_a'];
export const RATES = {
  caller: { burst: 4, everyMs: 1000 },
  tenant: { burst: 4, everyMs: 400 },
  tool: { burst: 2, everyMs: 12_000 },
};
export const PLACES = { caller: 4, tenant: 9 };
export const CALLERS = 24;

export interface Caller {
  readonly name: string;
  readonly id: string;
  readonly key: string;
  readonly tenant: string | undefined;
  readonly roles: readonly string[];
  readonly destinations: readonly string[] | undefined;
  revoked: boolean;
}

/** What an upstream says of itself in each answer: what came to it, and with what. */
export interface Said {
  readonly destination: string;
  /** The id of the request that the answer was made for. */
  readonly madeFor: string;
  readonly token: string | undefined;
  readonly cookie: string | undefined;
  readonly apiKey: string | undefined;
  readonly session: string | undefined;
  readonly nonce: unknown;
  readonly uri: unknown;
  /** How often this destination's lists had changed by then. */
  readonly version: number;
}

/** What a stream says when they change. */
export const CHANGED = 'notifications/tools/list_changed';

/** A clock that goes on when it is told to: whoever sleeps wakes then. */
export class SteppedClock implements Clock {
  time = Date.parse('2026-11-21T00:00:00Z');
  #sleepers: { readonly at: number; wake(): void }[] = [];
  now = () => this.time;
  monotonic = () => this.time;
  random = () => 0.5;

  sleep = (ms: number, signal?: AbortSignal) =>
    new Promise<void>((resolve, reject) => {
      const leave = () => reject(signal?.reason);
      signal?.addEventListener('abort', leave, { once: true });
      const wake = () => {
        signal?.removeEventListener('abort', leave);
        resolve();
      };
      this.#sleepers.push({ at: this.time + ms, wake });
    });

  step(ms: number): void {
    this.time += ms;
    const due = this.#sleepers.filter(({ at }) => at <= this.time);
    if (due.length === 0) return;
    this.#sleepers = this.#sleepers.filter(({ at }) => at > this.time);
    for (const { wake } of due) wake();
  }
}

const rateOf = ({ burst, everyMs }: { burst: number; everyMs: number }) => `${60_000 / everyMs}/m burst ${burst}`;

function configOf(origin: string): object {
  const named = (make: (name: string) => object) => Object.fromEntries(DESTINATIONS.map((name) => [name, make(name)]));
  return {
    server: { keyFile: 'keys.json' },
    destinations: named((name) => ({
      kind: 'http',
      url: `${origin}/${name}`,
      credential: name,
      // What a caller proves itself with isn't forwarded, whatever the destination says.
      ...(name === 'personal' ? { forward: ['cookie', 'authorization'] } : {}),
    })),
    credentials: named((name) => ({ kind: 'static', token: `token-of-${name}`, origins: [origin] })),
    identity: { keys: { kind: 'api-key' } },
    permissions: {
      roles: {
        reader: { allow: ['*/tools/list', '*/resources/read', '*/tools/call:read_*'] },
        writer: { allow: ['*/tools/call:write_*'] },
        careful: { deny: ['*/tools/call:*_b'] },
        dropper: { allow: ['common/tools/call:drop_*'] },
      },
      default: ['reader'],
      tenants: Object.fromEntries(TENANTS.map((name) => [name, { destinations: [name] }])),
    },
    quotas: {
      perCaller: rateOf(RATES.caller),
      perTenant: rateOf(RATES.tenant),
      perTool: { '*/tools/call:write_*': rateOf(RATES.tool) },
      concurrent: { perCaller: PLACES.caller, perTenant: PLACES.tenant },
    },
    resilience: { resultCache: { enabled: true, legacyTtlMs: { 'tools/list': 5_000 } } },
    telemetry: { audit: { file: 'audit.jsonl', maxBytes: 2 ** 30 } },
  };
}

/** One configuration, its callers' keys and its upstream, all of it in this process. */
export class IsolationWorld {
  readonly clock = new SteppedClock();
  readonly complaints: string[] = [];
  readonly callers: Caller[] = [];
  readonly #folder: string;
  readonly #settings: Settings;
  readonly #upstream: Awaited<ReturnType<typeof startTalker>>;
  readonly #lasting: Lasting;
  #app: App | undefined;

  static async start(random: () => number): Promise<IsolationWorld> {
    const folder = await mkdtemp(path.join(tmpdir(), 'drawbridge-isolation-'));
    const upstream = await startTalker(random);
    await writeFile(path.join(folder, 'mcp-proxy-config.json'), JSON.stringify(configOf(upstream.origin)));
    const place = { cwd: folder, home: folder, platform: 'linux' as const };
    const world = new IsolationWorld(
      folder,
      upstream,
      await loadConfig({ ...place, flags: {}, env: {}, registry: kinds }),
    );
    await world.#giveKeys(random);
    await world.reload();
    return world;
  }

  private constructor(folder: string, upstream: Awaited<ReturnType<typeof startTalker>>, settings: Settings) {
    this.#folder = folder;
    this.#upstream = upstream;
    this.#settings = settings;
    this.#lasting = new Lasting({ clock: this.clock, signals: this.#signals });
  }

  get door(): Handler {
    return (this.#app as App).doors.mcp;
  }

  /** Another app in the place of the one that there is, as a changed configuration would bring it. */
  async reload(): Promise<void> {
    const old = this.#app;
    const ways = () => (this.#app as App).doors.sse as SseWays;
    const sse = new SseDoor({ clock: this.clock, ids: new RequestIds(), ways });
    const rest = { draining: () => false, lasting: this.#lasting, sse, version: '0.0.0' };
    this.#app = await createApp(this.#settings, { clock: this.clock, signals: this.#signals, ...rest });
    await old?.close();
  }

  async revoke(caller: Caller): Promise<void> {
    await (await this.#lasting.keys(this.#settings.keyFile)).revoke(caller.id);
    caller.revoked = true;
  }

  /** Ends all, and hands out what the audit log says. */
  async end(): Promise<Record<string, unknown>[]> {
    const file = path.join(this.#folder, 'audit.jsonl');
    await untilItRests(file);
    await this.#app?.close();
    await this.#upstream.close();
    const text = await readFile(file, 'utf8');
    await rm(this.#folder, { recursive: true, force: true });
    return text
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  get #signals(): Signals {
    const quiet = /^(exchange(\.headers)?|token\.acquired)$/;
    return {
      enabled: (name) => !quiet.test(name),
      emit: (name, fields) => void (quiet.test(name) || this.complaints.push(`${name} ${JSON.stringify(fields)}`)),
    };
  }

  async #giveKeys(random: () => number): Promise<void> {
    const ring = await this.#lasting.keys(this.#settings.keyFile);
    for (let index = 0; index < CALLERS; index++) {
      const owner = index % (TENANTS.length + 1);
      const tenant = TENANTS[owner];
      const roles = ['writer', 'careful', 'dropper'].filter(() => random() < 0.5);
      const destinations = random() < 0.25 ? ['common', tenant ?? 'other'] : undefined;
      const name = `caller${index}`;
      const wanted = { name, roles, ...(tenant ? { tenant } : {}), ...(destinations ? { destinations } : {}) };
      const { key, record } = await ring.create(wanted);
      this.callers.push({ name, id: record.id, key, tenant, roles, destinations, revoked: false });
    }
  }
}

/** An upstream that says what came to it. Answers overtake one another. */
async function startTalker(random: () => number) {
  let sessions = 0;
  const begin = () => `session-${++sessions}`;
  const versions = new Map<string, number>();
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const version = () => versions.get(request.url ?? '') ?? 0;
      const change = () => {
        if (random() < 0.5) return false;
        versions.set(request.url ?? '', version() + 1);
        return true;
      };
      const answer = () => talk(request, response, Buffer.concat(chunks).toString(), { begin, version, change });
      if (random() < 0.6) answer();
      else setTimeout(answer, random() * 4);
    });
  });
  server.keepAliveTimeout = 60_000;
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const close = async () => {
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
  };
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close };
}

interface State {
  begin(): string;
  version(): number;
  /** True where the lists change now. */
  change(): boolean;
}

interface Message {
  readonly id: string;
  readonly method: string;
  readonly params: Record<string, unknown>;
}

function talk(request: IncomingMessage, response: ServerResponse, text: string, state: State) {
  if (request.method === 'DELETE') return void response.writeHead(204).end();
  if (request.method === 'GET') return stream(request, response, state);
  const asked = JSON.parse(text) as Message | Message[];
  const answer = (message: Message) => ({
    jsonrpc: '2.0',
    id: message.id,
    result: { said: saidTo(request, message, state), ...contentOf(message.method, message.params.uri) },
  });
  const begins = !Array.isArray(asked) && asked.method === 'initialize';
  const session = begins ? { 'mcp-session-id': state.begin() } : {};
  response.writeHead(200, { 'content-type': 'application/json', ...session });
  response.end(JSON.stringify(Array.isArray(asked) ? asked.map(answer) : answer(asked)));
}

/** Says who listens, and now and then, in two pieces, that the lists have changed. */
function stream(request: IncomingMessage, response: ServerResponse, state: State) {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const nonce = request.headers['x-nonce'];
  const changed = state.change();
  const said = saidTo(request, { id: String(nonce), method: '', params: { arguments: { nonce } } }, state);
  response.write(`data: ${JSON.stringify({ jsonrpc: '2.0', method: 'notifications/message', params: { said } })}\n\n`);
  if (!changed) return void response.end();
  const news = `data: ${JSON.stringify({ jsonrpc: '2.0', method: CHANGED })}\n\n`;
  response.write(news.slice(0, 50));
  setImmediate(() => response.end(news.slice(50)));
}

function saidTo({ headers, url = '' }: IncomingMessage, { id, params }: Message, { version }: State): Said {
  return {
    destination: url.slice(1),
    madeFor: id,
    token: headers.authorization,
    cookie: headers.cookie,
    apiKey: headers['x-api-key'] as string | undefined,
    session: headers['mcp-session-id'] as string | undefined,
    nonce: (params.arguments as { nonce?: unknown } | undefined)?.nonce,
    uri: params.uri,
    version: version(),
  };
}

function contentOf(method: string, uri: unknown): object {
  if (method === 'tools/list') return { tools: TOOLS.map((name) => ({ name })), ttlMs: 4_000, cacheScope: 'public' };
  if (method !== 'resources/read') return {};
  const scope = String(uri).split('/')[0];
  return { contents: [], ttlMs: scope === 'none:' ? 0 : 3_000, cacheScope: scope === 'public:' ? 'public' : 'private' };
}

/** A request at the door; `meet` is called at the very moment at which its body is read, just before the stages behind go on. */
export function exchangeOf(
  id: string,
  target: string,
  method: string,
  headers: Record<string, string>,
  body: string,
  meet: () => void,
): Exchange {
  const bytes = Buffer.from(body);
  const read: Exchange['request']['body'] = (_limit, use) => {
    const whole = Promise.resolve(bytes);
    void whole.then(meet);
    return whole.then(use);
  };
  return fakeExchange({ ...fakeInbound(target, headers, method), body: read }, { id, ended: undefined });
}

/** The body of a reply, read to its end. */
export function bodyOf({ body }: Reply): Promise<string> {
  if (body === null) return Promise.resolve('');
  if (Buffer.isBuffer(body)) return Promise.resolve(body.toString());
  if (typeof body !== 'function') return Promise.reject(new Error('the answer was taken over'));
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const write = (chunk: Buffer) => chunks.push(chunk) > 0;
    body({
      write,
      end: (chunk) => {
        if (chunk) chunks.push(chunk);
        resolve(Buffer.concat(chunks).toString());
      },
      fail: reject,
    });
  });
}

/** Whoever is closed writes what still waits, but not for ever: on a busy machine that is less than there is. */
async function untilItRests(file: string): Promise<void> {
  for (let before = -2, now = -1; now !== before; ) {
    before = now;
    await new Promise((resolve) => setTimeout(resolve, 250));
    now = (await stat(file).catch(() => ({ size: 0 }))).size;
  }
}
