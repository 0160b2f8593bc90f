import type { Clock, Exchange, Flow, Handler, HeaderLines, Outcome, Reply, Sink, UpstreamDeps } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { isObject, parsedOrNothing } from '../core/json.js';
import { derive, type OpenExchange } from '../wire/exchange.js';
import { callerLeft } from '../wire/explain.js';
import { headerValue, isEventStream, without } from '../wire/headers.js';
import { allMessages } from '../wire/messages.js';
import { mirrorLines } from '../wire/mirror.js';

/** The one revision that a federation speaks, to both sides. */
export const REVISION = '2026-07-28';

export type Json = Readonly<Record<string, unknown>>;

/** A request as it is sent to a member. */
export interface Request {
  readonly jsonrpc: '2.0';
  readonly id: string | number;
  readonly method: string;
  readonly params: Json;
}

/** No result: why, and what a caller gets who asked for nothing else. */
export class Failure {
  /** One of `docs/errors.md`, or `RPC` and the code of the member's own error. */
  readonly code: string;
  readonly #cause: Reply | GatewayError;

  constructor(code: string, cause: Reply | GatewayError) {
    this.code = code;
    this.#cause = cause;
  }

  /** @throws GatewayError */
  give(): Reply {
    if (this.#cause instanceof GatewayError) throw this.#cause;
    return this.#cause;
  }
}

/** What no member's answer says for a federation: it has no sessions. */
const NOT_PASSED: ReadonlySet<string> = new Set(['mcp-session-id']);

/** The calls that one exchange makes to members: as its own caller, and for as long as that waits. */
export class Calls implements Pick<Flow, 'cancel'> {
  readonly of: Exchange;
  readonly #deps: Pick<UpstreamDeps, 'clock' | 'member'>;
  readonly #open = new Map<OpenExchange, (outcome: Outcome, status: number) => void>();

  constructor(of: Exchange, deps: Pick<UpstreamDeps, 'clock' | 'member'>) {
    this.of = of;
    this.#deps = deps;
    of.held = this;
  }

  get clock(): Clock {
    return this.#deps.clock;
  }

  /** What leads to the member; another one after a reload. */
  way(member: string): Handler | undefined {
    return this.#deps.member(member);
  }

  cancel(): void {
    for (const exchange of [...this.#open.keys()]) this.#leave(exchange, callerLeft());
  }

  /**
   * A member's answer as it comes. `text` is the request where it was written already. `settled` is told how to leave
   * before the caller does.
   */
  async pass(request: Request, member: string, text?: string, opened?: (leave: Leave) => void): Promise<Reply> {
    if (this.of.gone) throw callerLeft();
    const way = this.way(member);
    if (!way) throw new GatewayError('UNKNOWN_DESTINATION', 'no destination has that name');
    const headers = [...mirrorLines(request, REVISION), ...paramLines(request, this.of)];
    const exchange = derive(this.of, { method: 'POST', headers, message: text ?? request }, this.clock);
    this.#begin(exchange);
    opened?.((reason) => this.#leave(exchange, reason));
    try {
      return this.#watched(exchange, await way(exchange));
    } catch (error) {
      this.#open.get(exchange)?.('complete', error instanceof GatewayError ? error.status : 500);
      throw error;
    }
  }

  /** A member's result, within so many milliseconds. Rejects where the caller left, or for a fault of ours. */
  async ask(request: Request, member: string, withinMs: number): Promise<Json | Failure> {
    const timer = new AbortController();
    let leave: Leave = () => {};
    const opened = (given: Leave) => {
      leave = given;
    };
    const late = this.clock.sleep(withinMs, timer.signal).then(() => {
      const reason = new GatewayError('UPSTREAM_TIMEOUT', `${member} did not answer in time`);
      leave(reason);
      return new Failure(reason.code, reason);
    });
    // It is aborted where the answer comes first.
    late.catch(() => {});
    try {
      return await Promise.race([this.#result(request, member, opened), late]);
    } finally {
      timer.abort();
    }
  }

  async #result(request: Request, member: string, opened: (leave: Leave) => void): Promise<Json | Failure> {
    try {
      return await readResult(await this.pass(request, member, undefined, opened), member);
    } catch (error) {
      if (error instanceof GatewayError && error.code !== 'CALLER_LEFT') return new Failure(error.code, error);
      throw error;
    }
  }

  #begin(exchange: OpenExchange): void {
    this.#open.set(exchange, (outcome, status) => {
      if (this.#open.delete(exchange)) exchange.ended?.(exchange, outcome, status);
    });
  }

  #leave(exchange: OpenExchange, reason: GatewayError): void {
    const ended = this.#open.get(exchange);
    exchange.leave(reason);
    ended?.('caller-left', reason.status);
  }

  /** The reply, which tells when it is over. */
  #watched(exchange: OpenExchange, reply: Reply): Reply {
    const { body, status } = reply;
    const ended = (outcome: Outcome) => this.#open.get(exchange)?.(outcome, status);
    const headers = headerValue(reply.headers, 'mcp-session-id') === undefined ? reply.headers : own(reply.headers);
    if (typeof body !== 'function') {
      ended('complete');
      return headers === reply.headers ? reply : { ...reply, headers };
    }
    return { ...reply, headers, body: (sink) => watch(body, sink, ended) };
  }
}

/** Lets go of one call. */
export type Leave = (reason: GatewayError) => void;

function own(headers: HeaderLines): string[] {
  return without(headers, NOT_PASSED);
}

function watch(body: (sink: Sink) => Flow, sink: Sink, ended: (outcome: Outcome) => void): Flow {
  const flow = body({
    write: (chunk) => sink.write(chunk),
    end(chunk) {
      ended('complete');
      sink.end(chunk);
    },
    fail(reason) {
      ended('upstream-broke');
      sink.fail(reason);
    },
  });
  return {
    resume: () => flow.resume(),
    cancel() {
      ended('caller-left');
      flow.cancel();
    },
  };
}

/** The lines that a tool asks for (SEP-2243): its arguments reach the member as they are, and so do they. */
function paramLines({ method }: Request, { request }: Exchange): string[] {
  if (method !== 'tools/call') return [];
  const { headerLines } = request;
  return headerLines.filter((_, index) =>
    (headerLines[index - (index % 2)] as string).toLowerCase().startsWith('mcp-param-'),
  );
}

/** The result in an answer, whatever form it came in. */
export async function readResult(reply: Reply, member: string): Promise<Json | Failure> {
  if (!isReadable(reply)) return unreadable(reply, member);
  for (const text of await allMessages(reply)) {
    const message = parsedOrNothing(text);
    if (!isObject(message)) continue;
    if (isObject(message.result)) return message.result;
    if (isObject(message.error)) return new Failure(`RPC ${String(message.error.code)}`, again(reply, text));
  }
  return garbage(member, reply);
}

/** Its challenge, where it has one, is all that helps a caller. */
function unreadable(reply: Reply, member: string): Failure {
  const { status, headers, body, origin } = reply;
  if (typeof body === 'function') body(NOWHERE).cancel();
  if (status !== 401) return garbage(member, reply);
  const challenge = headerValue(headers, 'www-authenticate');
  const lines = challenge === undefined ? [] : ['www-authenticate', challenge];
  return new Failure('CALLER_UNKNOWN', { status, headers: [...lines, 'content-length', '0'], body: null, origin });
}

function garbage(member: string, { status }: Reply): Failure {
  const why = new GatewayError('UPSTREAM_GARBAGE', `${member} answered ${status}, without a result`);
  return new Failure(why.code, why);
}

const NOWHERE: Sink = { write: () => true, end() {}, fail() {} };

function isReadable({ headers }: Reply): boolean {
  return isEventStream(headers) || /^application\/json\s*(;|$)/i.test(headerValue(headers, 'content-type') ?? '');
}

/** An error that was read, to be passed on after all. */
function again({ status, headers, origin }: Reply, text: string): Reply {
  const body = Buffer.from(text);
  const challenge = headerValue(headers, 'www-authenticate');
  const lines = ['content-type', 'application/json', 'content-length', String(body.length)];
  return { status, headers: challenge ? [...lines, 'www-authenticate', challenge] : lines, body, origin };
}
