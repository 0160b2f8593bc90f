import type { Clock, Door, Exchange, HeaderLines, Inbound, RawExchange } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { headerValue, replaced } from './headers.js';
import { parseCall } from './mcp.js';

/** An exchange that is under way. Every field is there from the start: one shape serves all. */
export class OpenExchange implements Exchange {
  readonly id: string;
  readonly door: Door;
  request: Inbound;
  readonly startedAt: number;
  readonly costs = { attempts: 0, tokenMs: 0, upstreamMs: 0, sentBytes: 0 };
  gone = false;
  held: Exchange['held'] = undefined;
  browserOrigin: Exchange['browserOrigin'] = undefined;
  decision: Exchange['decision'] = undefined;
  principal: Exchange['principal'] = undefined;
  tokenIsOurs: Exchange['tokenIsOurs'] = undefined;
  call: Exchange['call'] = undefined;
  route: Exchange['route'] = undefined;
  elicitsUrls: Exchange['elicitsUrls'] = undefined;
  answerLines: Exchange['answerLines'] = undefined;
  trace: Exchange['trace'] = undefined;
  failure: Exchange['failure'] = undefined;
  ended: Exchange['ended'] = undefined;
  #leaving: AbortController | undefined = undefined;
  #reason: GatewayError | undefined = undefined;

  constructor(id: string, door: Door, request: Inbound, clock: Clock) {
    this.id = id;
    this.door = door;
    this.request = request;
    this.startedAt = clock.monotonic();
  }

  get signal(): AbortSignal {
    this.#leaving ??= new AbortController();
    if (this.gone) this.#leaving.abort(this.#reason);
    return this.#leaving.signal;
  }

  /** Nobody waits any more: whatever is held for this exchange is let go at once. */
  leave(reason: GatewayError): void {
    if (this.gone) return;
    this.gone = true;
    this.#reason = reason;
    this.held?.cancel();
    this.#leaving?.abort(reason);
  }
}

/** A request that came by no socket of its own: a door without HTTP made it, or a bridge. */
export class OwnRequest implements Inbound {
  readonly method: string;
  readonly target: string;
  readonly headerLines: HeaderLines;
  readonly remoteAddress: string;
  readonly raw = undefined;
  readonly #body: Buffer;

  constructor(
    said: Pick<Inbound, 'method' | 'target' | 'headerLines' | 'remoteAddress'>,
    body: Buffer = Buffer.alloc(0),
  ) {
    this.method = said.method;
    this.target = said.target;
    this.headerLines = said.headerLines;
    this.remoteAddress = said.remoteAddress;
    this.#body = body;
  }

  header(name: string): string | undefined {
    return headerValue(this.headerLines, name);
  }

  async body<Made>(_limit: number, use: (bytes: Buffer) => Made | Promise<Made>): Promise<Made> {
    return use(this.#body);
  }
}

/** A request as it came but for one header, which the request has; `name` in lower case. */
export class WithHeader implements Inbound {
  readonly #request: Inbound;
  readonly #name: string;
  readonly #value: string;

  constructor(request: Inbound, name: string, value: string) {
    this.#request = request;
    this.#name = name;
    this.#value = value;
  }

  get method(): string {
    return this.#request.method;
  }

  get target(): string {
    return this.#request.target;
  }

  get headerLines(): HeaderLines {
    return replaced(this.#request.headerLines, this.#name, this.#value);
  }

  get remoteAddress(): string {
    return this.#request.remoteAddress;
  }

  get raw(): RawExchange | undefined {
    return this.#request.raw;
  }

  header(name: string): string | undefined {
    return name === this.#name ? this.#value : this.#request.header(name);
  }

  body<Made>(limit: number, use: (bytes: Buffer) => Made | Promise<Made>): Promise<Made> {
    return this.#request.body(limit, use);
  }
}

/** What belongs to one message only, and the credentials of whoever sent it: an exchange of ours says its own. */
const OWN_LINES = new Set([
  'accept',
  // What comes back is read here.
  'accept-encoding',
  'content-type',
  'content-length',
  'last-event-id',
  'mcp-method',
  'mcp-name',
  'mcp-protocol-version',
  'mcp-session-id',
]);

/** One message of ours, or a GET or DELETE. `headers` join the caller's other ones. */
export interface OwnMessage {
  readonly method: 'POST' | 'GET' | 'DELETE';
  readonly headers: HeaderLines;
  /** For a POST; an object is written as JSON. */
  readonly message?: string | object;
}

/** An exchange of ours on a caller's behalf: the same caller, the same way, another message. */
export function derive(of: Exchange, { method, headers, message }: OwnMessage, clock: Clock): OpenExchange {
  const { target, remoteAddress, headerLines } = of.request;
  const text = typeof message === 'object' ? JSON.stringify(inTrace(message, of.trace)) : message;
  const body = text === undefined ? undefined : Buffer.from(text);
  const others = callerLines(headerLines);
  const accept = method === 'GET' ? 'text/event-stream' : 'application/json, text/event-stream';
  const framing = body ? ['content-type', 'application/json', 'accept', accept] : ['accept', accept];
  const request = new OwnRequest(
    { method, target, remoteAddress, headerLines: [...others, ...framing, ...headers] },
    body,
  );
  const exchange = new OpenExchange(of.id, of.door, request, clock);
  exchange.principal = of.principal;
  exchange.tokenIsOurs = of.tokenIsOurs;
  exchange.decision = of.decision;
  exchange.route = of.route;
  exchange.trace = of.trace;
  exchange.call = body
    ? parseCall(body, request)
    : { kind: method === 'GET' ? 'stream' : 'end', era: 'legacy', body: null };
  return exchange;
}

/** A message that we write says whose trace it belongs to, where the caller's did (SEP-414). */
function inTrace(message: object, trace: Exchange['trace']): object {
  const { params } = message as { readonly params?: { readonly _meta?: { readonly traceparent?: unknown } } };
  if (trace === undefined || params?._meta?.traceparent === undefined) return message;
  const [, traceparent] = trace.onwards();
  return { ...message, params: { ...params, _meta: { ...params._meta, traceparent } } };
}

/** A caller's lines without those that belong to one message only. */
export function callerLines(lines: HeaderLines): string[] {
  return lines.filter((_, index) => {
    const name = (lines[index - (index % 2)] as string).toLowerCase();
    return !OWN_LINES.has(name) && !name.startsWith('mcp-param-');
  });
}

/**
 * The sockets of a request, for whoever writes its own answer to them.
 * @throws GatewayError NO_DESTINATION for a request that came by none
 */
export function socketsOf({ raw }: Inbound): RawExchange {
  if (raw) return raw;
  throw new GatewayError('NO_DESTINATION', 'only a request that came over HTTP can be passed through');
}
