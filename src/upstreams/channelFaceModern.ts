import type { McpCall, Reply } from '../contracts.js';
import { Deadline } from '../core/deadline.js';
import { GatewayError } from '../core/errors.js';
import { METHOD_NOT_FOUND } from '../core/jsonRpc.js';
import { brokenRule } from '../wire/envelope.js';
import { acceptedReply, jsonReply } from '../wire/messages.js';
import type { Carrying } from './channel.js';
import { Call, type CallOwner } from './channelFaceCall.js';
import type { FaceLimits } from './channelFaceLimits.js';
import { deliver, type Line, type LineHandlers } from './channelFaceLine.js';
import { errorText, type Said } from './channelFaceMessage.js';
import type { SharedChannel } from './channelFaceShared.js';
import { type Stream, Streams } from './channelFaceStream.js';

type Params = Readonly<Record<string, unknown>>;

/** Errors of the envelope, which say so by their HTTP status too (2026-07-28, Error Codes). */
const BAD_REQUEST = new Set([-32700, -32600, -32020, -32021, -32022]);

/** A stateless POST of 2026-07-28 on a channel that it shares with others of its caller. */
export function postModern(shared: SharedChannel, carrying: Carrying, limits: FaceLimits): Reply | Promise<Reply> {
  const { call } = carrying.exchange;
  if (call?.kind === 'request') {
    const broken = refusal(shared, call, carrying);
    if (broken) return broken;
    return call.method === 'server/discover'
      ? new Discovery(shared, carrying, limits).reply
      : new ModernCall(shared, carrying, limits.firstByteMs, limits.keepAliveMs).reply;
  }
  const line = shared.join({ said() {}, closed() {} });
  const done = () => void line.close();
  const sent = line.send(call?.body ?? '', carrying);
  if (!sent) {
    done();
    return acceptedReply();
  }
  return sent.then((reply) => reply ?? acceptedReply()).finally(done);
}

/** Pipes have no headers, so whoever stands before them checks those that repeat the body. @throws GatewayError HEADER_MISMATCH */
function refusal(shared: SharedChannel, call: McpCall, { exchange }: Carrying): Reply | undefined {
  const params: Params = JSON.parse(call.body?.toString() ?? '{}').params ?? {};
  const broken = brokenRule(call, params);
  if (broken) {
    const { code, message, data } = broken.error;
    return jsonReply(errorText(JSON.stringify(call.id), code, message, data), [], broken.status);
  }
  if (call.method !== 'tools/call') return undefined;
  const wrong = shared.mirrored.verify(call.name ?? '', params.arguments, (name) => exchange.request.header(name));
  if (wrong !== undefined) throw new GatewayError('HEADER_MISMATCH', wrong);
  return undefined;
}

class ModernCall implements CallOwner, LineHandlers {
  readonly reply: Promise<Reply>;
  readonly #shared: SharedChannel;
  /** What it is answered says which headers tools ask for. */
  readonly #learns: boolean;
  readonly #line: Line;
  readonly #call: Call;
  readonly #streams: Streams;

  constructor(shared: SharedChannel, carrying: Carrying, limitMs: number, keepAliveMs: number) {
    const { call } = carrying.exchange;
    if (call?.id === undefined) throw new GatewayError('INVALID_REQUEST', 'the id is larger than 2^53');
    this.#shared = shared;
    this.#learns = call.method === 'tools/list';
    this.#streams = new Streams(keepAliveMs);
    this.#line = shared.join(this);
    this.#call = new Call(carrying.exchange, this, [call.id], limitMs);
    this.reply = this.#call.reply;
    deliver(this.#line, call.body ?? '', carrying, {
      refused: (reply) => this.#call.refuse(reply),
      failed: (error) => this.#call.fail(error),
    });
  }

  said({ text, read }: Said): void {
    if (read.kind === 'response') {
      if (this.#learns) this.#shared.mirrored.learn(JSON.parse(text).result);
      this.#call.answer(read.id, text, read.errorCode);
    }
    // A server of this revision asks nothing (2026-07-28, Streamable HTTP); an older one waits for an answer.
    else if (read.kind === 'request') {
      const refusal = errorText(
        JSON.stringify(read.id),
        METHOD_NOT_FOUND,
        'there are no requests to clients in 2026-07-28',
      );
      deliver(this.#line, refusal, undefined, { failed: () => {} });
    } else this.#call.relate(text);
    const [id] = this.#call.ids;
    if (read.cancels !== undefined && read.cancels === id) this.#call.cancel(id);
  }

  closed(reason: GatewayError): void {
    this.#call.fail(reason);
  }

  stream(): Stream {
    return this.#streams.make();
  }

  headers(): readonly string[] {
    return [];
  }

  status(errorCode: number | undefined): number {
    if (errorCode === METHOD_NOT_FOUND) return 404;
    return errorCode !== undefined && BAD_REQUEST.has(errorCode) ? 400 : 200;
  }

  /** To leave is to cancel: leaving the channel tells the server. */
  left(call: Call): void {
    this.over(call);
  }

  over(_call: Call): void {
    void this.#line.close();
  }
}

/**
 * The question whether a server speaks 2026-07-28 at all. One that doesn't may know no better than to end, or to say
 * nothing (2026-07-28, stdio): either is taken for the answer that it has no such method.
 */
class Discovery extends Deadline {
  readonly reply: Promise<Reply>;

  constructor(shared: SharedChannel, carrying: Carrying, limits: FaceLimits) {
    super();
    const asked = new ModernCall(shared, carrying, limits.firstByteMs, limits.keepAliveMs);
    const { id } = carrying.exchange.call ?? {};
    const none = (why: string) => jsonReply(errorText(JSON.stringify(id), METHOD_NOT_FOUND, why), [], 404);
    this.reply = new Promise((resolve, reject) => {
      this.#silent = () => {
        carrying.exchange.held?.cancel();
        resolve(none('the server does not answer server/discover'));
      };
      asked.reply.then(resolve, (error: GatewayError) => {
        if (error.code === 'UPSTREAM_BROKE') resolve(none('the server ended when it was asked server/discover'));
        else reject(error);
      });
    });
    const stop = () => this.stopClock();
    this.reply.then(stop, stop);
    this.expireIn(limits.discoverMs);
  }

  #silent: () => void = () => {};

  protected override expired(): void {
    this.#silent();
  }
}
