import { callerLeft } from '../../src/wire/explain.js';
import { EventStream } from '../../src/wire/messages.js';
import { listenTo, result, ScriptedModern, settled } from './scriptedModern.js';

/** A client of 2025-11-25 that lost a connection, and comes back with `Last-Event-ID`. */
const CALL = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'a', arguments: {} } };
const progress = (n: number) => `{"jsonrpc":"2.0","method":"notifications/progress","params":{"progress":${n}}}`;

let modern: ScriptedModern;
let session: string;
let answer: () => void;
let say: (text: string) => void;

beforeEach(async () => {
  modern = new ScriptedModern();
  session = await modern.begin();
  modern.script = (got) => {
    const stream = new EventStream();
    say = (data) => stream.send({ data });
    answer = () => {
      stream.send({ data: result(got, { resultType: 'complete', content: [] }) });
      stream.end();
    };
    return stream.reply();
  };
});
afterEach(() => modern.bridge.close());

/** A call, and the ids of what it has said. */
async function call() {
  const exchange = modern.exchange('POST', CALL, ['mcp-session-id', session]);
  const reply = await modern.serve(exchange);
  let bytes = '';
  const body = reply.body as (sink: object) => unknown;
  const read = (chunk?: Buffer) => {
    bytes += chunk ?? '';
    return true;
  };
  body({ write: read, end: read, fail() {} });
  return { exchange, ids: () => [...bytes.matchAll(/^id: (.*)$/gm)].map(([, id]) => String(id)) };
}

const resume = (id: string | undefined, whose = session) =>
  modern.serve(modern.exchange('GET', undefined, ['mcp-session-id', whose, 'last-event-id', String(id)]));

it('gets what came behind the event, the answer included', async () => {
  const { ids } = await call();
  for (const n of [1, 2]) say(progress(n));
  answer();
  await settled();
  expect(ids()).toHaveLength(3);
  const { heard, state } = listenTo(await resume(ids()[0]));
  expect(heard).toMatchObject([{ params: { progress: 2 } }, { id: 1, result: { content: [] } }]);
  expect(state.ended).toBe(true);
  expect((await resume(ids()[2])).status).toBe(204);
});

it('takes over a call whose connection is not known to be broken yet', async () => {
  const { exchange, ids } = await call();
  say(progress(1));
  await settled();
  const { heard, state } = listenTo(await resume(ids()[0]));
  exchange.leave(callerLeft());
  say(progress(2));
  answer();
  await settled();
  expect(heard).toMatchObject([{ params: { progress: 2 } }, { id: 1, result: { content: [] } }]);
  expect(state.ended).toBe(true);
  expect(ids()).toHaveLength(1);
});

it('is told that its call was cancelled when the connection broke off', async () => {
  const { exchange, ids } = await call();
  say(progress(1));
  await settled();
  exchange.leave(callerLeft());
  await settled();
  expect(modern.last.exchange.gone).toBe(true);
  const { heard } = listenTo(await resume(ids()[0]));
  expect(heard).toMatchObject([{ id: 1, error: { message: expect.stringMatching(/cancelled/) } }]);
});

it('gets nothing of another session, and is told what is not kept any more', async () => {
  const { ids } = await call();
  for (let n = 0; n < 300; n++) say(progress(n));
  await settled();
  await expect(resume(ids()[0])).rejects.toMatchObject({ code: 'HELD_ELSEWHERE' });
  expect(listenTo(await resume(ids()[100])).heard).toHaveLength(199);
  const other = await modern.begin();
  await expect(resume(ids()[100], other)).rejects.toMatchObject({ code: 'HELD_ELSEWHERE' });
  const elsewhere = String(ids()[100]).replace(/^.{12}/, '0'.repeat(12));
  await expect(resume(elsewhere)).rejects.toMatchObject({ code: 'HELD_ELSEWHERE' });
});
