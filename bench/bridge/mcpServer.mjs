/**
 * The server behind the bridges that lead to HTTP: `/events` answers with a stream of one event, as servers of the SDK do
 * unless told otherwise, `/json` with JSON. Sockets only, so that what is measured is the bridge.
 * Usage: node mcpServer.mjs <port>
 */
import net from 'node:net';
import { MessageReader } from '../framing.mjs';
import { chunk, STREAM_HEAD } from '../workloads.mjs';
import { answerTo } from './answers.mjs';

const SESSION = 'mcp-session-id: 7b1c9c0e-5f0a-4c53-9a55-0f4d7a2b6f11\r\n';
const SESSION_STREAM = STREAM_HEAD.replace('\r\n', `\r\n${SESSION}`);
const ACCEPTED = 'HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n';
const NOT_FOUND = 'HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n';
const GONE = 'HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n';

net.createServer({ noDelay: true }, serve).listen(Number(process.argv[2]), '127.0.0.1');
process.on('disconnect', () => process.exit());

function serve(socket) {
  let start = '';
  let pieces = [];
  const head = (described) => {
    start = described.start;
    pieces = [];
  };
  const end = () => socket.write(reply(start.split(' ', 2), Buffer.concat(pieces).toString()));
  const reader = new MessageReader({ head, body: (bytes) => pieces.push(bytes), end });
  socket.on('data', (bytes) => reader.push(bytes));
  socket.on('error', () => socket.destroy());
}

function reply([method, path], body) {
  if (!/^\/(events|json)$/.test(path)) return NOT_FOUND;
  if (method === 'GET') return SESSION_STREAM + chunk(': held\n\n');
  if (method !== 'POST') return GONE;
  const answer = answerTo(body);
  if (answer === undefined) return ACCEPTED;
  return path === '/json' ? asJson(answer) : asEvents(answer);
}

function asEvents(answer) {
  return SESSION_STREAM + chunk(`event: message\ndata: ${answer}\n\n`) + chunk('');
}

function asJson(answer) {
  const length = Buffer.byteLength(answer);
  return `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\n${SESSION}\r\n${answer}`;
}
