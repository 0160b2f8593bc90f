import { fileURLToPath } from 'node:url';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { SSEClientTransport } from '@modelcontextprotocol/sdk/client/sse.js';
import { type Drawbridge, startDrawbridge } from '../helpers/drawbridge.js';
import { programNode } from '../helpers/programNode.js';
import { connect } from './matrix/clients.js';
import { type Era, type Listening, startServer } from './matrix/servers.js';

/**
 * A server that says all of its progress in one breath with its answer. The SDK clients forget what progress means once
 * they have read the answer, so that none is heard where both are read in one piece; on a busy machine that may still be.
 */
const PROGRAM = fileURLToPath(new URL('../../bin/mcp-drawbridge.js', import.meta.url));
const CALLS = 20;
const MOST_MISSED = 5;

type Count = (onProgress: (progress: number) => void) => Promise<unknown>;

let server: Listening;
let drawbridge: Drawbridge;
let close: () => Promise<void>;

beforeAll(async () => {
  server = await startServer('legacy');
  drawbridge = await startDrawbridge({ destinations: { server: { kind: 'http', url: server.url } } });
});
afterEach(() => close());
afterAll(async () => {
  await drawbridge?.stop();
  await server?.close();
});

async function overStdio(era: Era): Promise<Count> {
  const args = [PROGRAM, 'stdio', '-c', drawbridge.configFile, '--destination', 'server'];
  const user = await connect(era, { command: programNode(), args });
  close = () => user.close();
  return (onProgress) => user.call('count', { to: 5 }, { onProgress });
}

async function overSse(): Promise<Count> {
  const client = new Client({ name: 'test', version: '1' });
  await client.connect(new SSEClientTransport(new URL('/sse/server', drawbridge.url)) as never);
  close = () => client.close();
  const call = { name: 'count', arguments: { to: 5 } };
  return (heard) => client.callTool(call, undefined, { onprogress: ({ progress }) => heard(progress) });
}

it.each<[string, () => Promise<Count>]>([
  ['a client of 2026-07-28 on stdin', () => overStdio('modern')],
  ['a client of 2025-11-25 on stdin', () => overStdio('legacy')],
  ['a client of 2024-11-05 over HTTP+SSE', overSse],
])('all progress reaches %s before the answer', async (_who, open) => {
  const count = await open();
  let missed = 0;
  for (let n = 0; n < CALLS; n++) {
    const heard: number[] = [];
    await count((progress) => heard.push(progress));
    if (heard.join() !== '1,2,3,4,5') missed += 1;
  }
  expect(missed).toBeLessThanOrEqual(MOST_MISSED);
});
