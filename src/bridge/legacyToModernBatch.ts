import type { Clock, Exchange, McpCall, Reply } from '../contracts.js';
import { GatewayError } from '../core/errors.js';
import { derive, type OpenExchange } from '../wire/exchange.js';
import { callerLeft } from '../wire/explain.js';
import { elementsOf, memberOf } from '../wire/jsonText.js';
import { acceptedReply, EventStream, readMessages } from '../wire/messages.js';
import { CODES, errorOf, RpcError, response } from './legacyToModernWords.js';

/** So many messages one batch may have: each one is a call of its own. */
const MOST_MESSAGES = 100;

type Serve = (part: Exchange) => Reply | Promise<Reply>;

/**
 * Answers a batch (2025-03-26 only): each message by itself, the responses on one stream as they come. A 401 or 403 to
 * the first request is that of the whole batch: nothing has been done by then.
 */
export async function answerBatch(exchange: Exchange, clock: Clock, serve: Serve): Promise<Reply> {
  const texts = elementsOf(textOf(exchange));
  if (texts.length > MOST_MESSAGES) {
    throw new GatewayError('INVALID_REQUEST', `the batch has more than ${MOST_MESSAGES} messages`);
  }
  const parts = texts.map((message) => derive(exchange, { method: 'POST', headers: [], message }, clock));
  const leave = () => {
    for (const part of parts) part.leave(callerLeft());
  };
  exchange.held = { cancel: leave };
  const requests = parts.filter((part) => part.call?.kind === 'request');
  const others = parts.filter((part) => part.call?.kind !== 'request');
  const [first, ...rest] = requests;
  const reply = first && (await serve(first));
  if (reply && (reply.status === 401 || reply.status === 403)) return reply;
  const stream = new EventStream(leave);
  const answers = [
    ...(first && reply ? [pass(first, reply, stream)] : []),
    ...rest.map((part) => answerOne(part, serve, stream)),
  ];
  for (const part of others) await serve(part);
  if (answers.length === 0) return acceptedReply();
  void Promise.all(answers).then(() => stream.end());
  return stream.reply();
}

/** Never rejects: what goes wrong is the response. */
async function answerOne(part: OpenExchange, serve: Serve, stream: EventStream): Promise<void> {
  try {
    await pass(part, await serve(part), stream);
  } catch (error) {
    stream.send({ data: response(idOf(part), 'error', errorOf(error, part)) });
  }
}

function pass(part: OpenExchange, reply: Reply, stream: EventStream): Promise<void> {
  if (reply.status >= 300) {
    part.leave(callerLeft());
    const failure = new RpcError(CODES.internal, `the server answered ${reply.status}`);
    stream.send({ data: response(idOf(part), 'error', errorOf(failure, part)) });
    return Promise.resolve();
  }
  return new Promise((resolve) => {
    readMessages(reply, {
      message: (data) => stream.send({ data }),
      end: resolve,
      fail: () => resolve(),
    });
  });
}

function idOf(part: Exchange): string {
  return memberOf(textOf(part), 'id') ?? 'null';
}

function textOf({ call }: Exchange): string {
  return ((call as McpCall).body as Buffer).toString();
}
