import type { Attempt, Clock, Exchange, Reply, Upstream } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { parsedObject } from '../core/json.js';
import { derive, type OpenExchange } from '../wire/exchange.js';
import { callerLeft } from '../wire/explain.js';
import { allMessages, jsonReply } from '../wire/messages.js';
import { mirrorLines, ParamHeaders } from '../wire/mirror.js';
import { valueAt } from '../wire/paramAnnotations.js';
import type { BridgeDeps } from './deps.js';
import { readAnswer } from './legacyToModernStreams.js';
import { CODES, type Envelope, MODERN, withEnvelope } from './legacyToModernWords.js';

/** How long an upstream may take to end an answer whose response is there. */
const LINGER_MS = 1_000;

/** On whose behalf something is sent, one message after another: all goes the way of the exchange that caused it. */
export class Errand {
  readonly exchange: Exchange;
  readonly attempt: Attempt;
  readonly #over = new AbortController();
  #sent: OpenExchange | undefined;

  constructor(exchange: Exchange, attempt: Attempt) {
    this.exchange = exchange;
    this.attempt = attempt;
  }

  /** Aborts where nobody wants to know any more. */
  get signal(): AbortSignal {
    return this.#over.signal;
  }

  get over(): boolean {
    return this.#over.signal.aborted;
  }

  /** What is sent last is what is let go of. */
  sends(inner: OpenExchange, clock: Clock): void {
    this.#leaveBehind(clock);
    this.#sent = inner;
  }

  /** The answer is there. */
  release(clock: Clock): void {
    this.#over.abort(callerLeft());
    this.#leaveBehind(clock);
  }

  end(): void {
    this.#over.abort(callerLeft());
    this.#sent?.leave(callerLeft());
    this.#sent = undefined;
  }

  /** The end of an answer may follow by itself for a while, so that the connection serves again. */
  #leaveBehind(clock: Clock): void {
    const sent = this.#sent;
    this.#sent = undefined;
    if (sent?.held) void clock.sleep(LINGER_MS).then(() => sent.leave(callerLeft()));
  }
}

/** A message for the server, without id and envelope. */
export interface Outgoing {
  readonly method: string;
  /** As text. */
  readonly params: string | undefined;
  readonly envelope: Envelope;
}

/** So many pages of a list are read in search of one tool's headers. */
const MOST_PAGES = 50;

/** Sends messages of 2026-07-28 to the server. */
export class ModernSender {
  readonly #upstream: Upstream;
  readonly #deps: BridgeDeps;
  readonly #paramHeaders = new ParamHeaders();
  #lastId = 0;

  constructor(upstream: Upstream, deps: BridgeDeps) {
    this.#upstream = upstream;
    this.#deps = deps;
  }

  /**
   * Sends a request under an id of ours; a call that is refused for its headers once more, with those of a fresh list.
   * Errors in JSON-RPC come back with status 200: to callers of old a 404 would mean that their session is lost.
   */
  async request(outgoing: Outgoing, errand: Errand): Promise<Reply> {
    const reply = await this.#request(outgoing, errand);
    if (outgoing.method !== 'tools/call' || codeOf(reply) !== CODES.headerMismatch) return reply;
    await this.#list(outgoing.envelope, errand);
    return this.#request(outgoing, errand);
  }

  notify({ method, params, envelope }: Outgoing, errand: Errand): Promise<Reply> {
    const whole = withEnvelope(params, envelope);
    const message = `{"jsonrpc":"2.0","method":${JSON.stringify(method)},"params":${whole}}`;
    return this.#post(message, mirrorLines({ method, params: JSON.parse(whole) }, MODERN), errand);
  }

  /** Learns which headers tools want, and names those that break the rules. */
  learn(result: unknown): ReadonlySet<string> {
    return new Set(this.#paramHeaders.learn(result));
  }

  async #request({ method, params, envelope }: Outgoing, errand: Errand): Promise<Reply> {
    this.#lastId += 1;
    const whole = withEnvelope(params, envelope);
    const message = `{"jsonrpc":"2.0","id":"db-${this.#lastId}","method":${JSON.stringify(method)},"params":${whole}}`;
    const parsed: unknown = JSON.parse(whole);
    const lines = mirrorLines({ method, params: parsed }, MODERN);
    if (method === 'tools/call') {
      lines.push(...this.#paramHeaders.lines(String(valueAt(parsed, ['name'])), valueAt(parsed, ['arguments'])));
    }
    return withoutNotFound(await this.#post(message, lines, errand));
  }

  #post(message: string, headers: readonly string[], errand: Errand): Promise<Reply> {
    if (errand.over) return Promise.reject(callerLeft());
    const { clock } = this.#deps;
    const inner = derive(errand.exchange, { method: 'POST', headers, message }, clock);
    errand.sends(inner, clock);
    return this.#upstream.send(inner, errand.attempt);
  }

  async #list(envelope: Envelope, errand: Errand): Promise<void> {
    let params: string | undefined;
    for (let page = 0; page < MOST_PAGES; page++) {
      const reply = await this.#request({ method: 'tools/list', params, envelope }, errand);
      if (reply.status !== 200) return;
      const { message } = await readAnswer(reply, () => {}, errand.signal);
      this.learn(message.result);
      const cursor = valueAt(message.result, ['nextCursor']);
      if (typeof cursor !== 'string') return;
      params = JSON.stringify({ cursor });
    }
  }
}

/** The code of an error that is the whole answer. */
function codeOf({ status, body }: Reply): unknown {
  // Looked for before it is read: nearly no answer is one.
  return status === 200 && Buffer.isBuffer(body) && body.includes('"error"')
    ? valueAt(parsedObject(body.toString()), ['error', 'code'])
    : undefined;
}

/** An error in JSON-RPC is an answer like any other; without one, a 400 stays what it is and a 404 means a wrong URL. */
async function withoutNotFound(reply: Reply): Promise<Reply> {
  if (reply.status !== 400 && reply.status !== 404) return reply;
  const text = (await allMessages(reply)).at(-1) ?? '';
  if (parsedObject(text)?.error !== undefined) return jsonReply(text);
  if (reply.status === 400) return { ...reply, body: Buffer.from(text) };
  throw new GatewayError('UPSTREAM_GARBAGE', 'the server answered 404, and no JSON-RPC with it', {
    hint: "No MCP server is at that URL: check the destination's url.",
  });
}
