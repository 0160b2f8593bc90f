import { type LegacyMcp, startLegacyMcp } from '../bridge/legacyMcp.js';
import { ModernSide } from '../bridge/legacyToModernWorld.js';
import { call, codeOf } from '../helpers/calls.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';

/** Calls that wait in one process for their client's answer, which comes to another process with the same `server.sessionKey`. */
const SESSION_KEY = 'thirty-two characters and a few more';

let old: LegacyMcp;
let modern: ModernSide;
let one: Drawbridge;
let other: Drawbridge;

beforeAll(async () => {
  old = await startLegacyMcp(() => true);
  modern = new ModernSide();
  await modern.start();
  const config = {
    server: { sessionKey: SESSION_KEY },
    destinations: {
      old: { kind: 'http', url: old.url.href },
      modern: { kind: 'http', url: `http://127.0.0.1:${modern.port}/mcp` },
    },
    resilience: { retry: { attempts: 1 } },
  };
  [one, other] = await Promise.all([startDrawbridge(config), startDrawbridge(config)]);
});

afterAll(async () => {
  await Promise.all([one?.stop(), other?.stop()]);
  await Promise.all([old?.close(), modern?.stop()]);
});

it('of 2026-07-28: the other process says whose it is, at once, and the call can still be answered where it waits', async () => {
  const meta = {
    'io.modelcontextprotocol/protocolVersion': '2026-07-28',
    'io.modelcontextprotocol/clientInfo': { name: 'test', version: '1' },
    'io.modelcontextprotocol/clientCapabilities': { elicitation: { form: {} } },
  };
  const headers = { 'mcp-protocol-version': '2026-07-28', 'mcp-method': 'tools/call', 'mcp-name': 'ask_form' };
  const ask = (at: Drawbridge, more: object = {}) =>
    call(`${at.url}/mcp/old`, 'tools/call', { name: 'ask_form', arguments: {}, ...more, _meta: meta }, headers);
  const asked = messageIn((await ask(one)).text).result as { requestState: string; inputRequests: object };
  const [key = ''] = Object.keys(asked.inputRequests);
  const accepted = { action: 'accept', content: { name: 'Ada' } };
  const retry = { requestState: asked.requestState, inputResponses: { [key]: accepted } };

  const elsewhere = await ask(other, retry);
  expect(elsewhere.status).toBe(400);
  expect(codeOf(elsewhere)).toBe('HELD_ELSEWHERE');
  expect(messageIn(elsewhere.text).error).toMatchObject({
    code: -32602,
    message: expect.stringMatching(/another process/),
    data: { hint: expect.stringMatching(/without requestState/) },
  });
  expect(JSON.stringify(messageIn((await ask(one, retry)).text).result)).toContain('accept Ada');
});

it('of 2025-11-25: an answer that reaches the other process is refused, and not lost in silence', async () => {
  const place = (at: Drawbridge) => `${at.url}/mcp/modern`;
  const initialize = {
    protocolVersion: '2025-11-25',
    capabilities: { sampling: {} },
    clientInfo: { name: 't', version: '1' },
  };
  const begun = await call(place(one), 'initialize', initialize);
  const headers = { ...JSON_HEADERS, 'mcp-session-id': begun.headers.get('mcp-session-id') as string };
  const calling = await fetch(place(one), {
    method: 'POST',
    headers,
    body: JSON.stringify({ jsonrpc: '2.0', id: 2, method: 'tools/call', params: { name: 'ask_model', arguments: {} } }),
  });
  const reader = (calling.body as ReadableStream<Uint8Array>).pipeThrough(new TextDecoderStream()).getReader();
  let said = '';
  while (!said.includes('sampling/createMessage')) said += (await reader.read()).value ?? '';
  const { id } = messageIn(said) as { id: string };
  const content = { type: 'text', text: 'Paris' };
  const answer = (at: Drawbridge) =>
    fetch(place(at), {
      method: 'POST',
      headers,
      body: JSON.stringify({ jsonrpc: '2.0', id, result: { role: 'assistant', model: 'm', content } }),
    });

  const refused = await answer(other);
  expect(refused.status).toBe(400);
  expect(await refused.json()).toMatchObject({ error: { data: { code: 'HELD_ELSEWHERE' } } });
  expect((await answer(one)).status).toBe(202);
  while (!said.includes('Paris')) said += (await reader.read()).value ?? '';
  await reader.cancel();
});

const JSON_HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

/** The last message of an answer, be it JSON or a stream. */
function messageIn(text: string): { result?: unknown; error?: unknown; id?: unknown } {
  const lines = text.split('\n').filter((line) => line.startsWith('data: {'));
  return JSON.parse(lines.at(-1)?.slice('data: '.length) ?? text);
}
