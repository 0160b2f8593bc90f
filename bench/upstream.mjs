/**
 * The server behind every contender: sockets and prebuilt answers, so that what is measured is the proxy.
 * Usage: node upstream.mjs <port> <file of the keys that callers' tokens are checked by>
 */
import fs from 'node:fs';
import net from 'node:net';
import { MessageReader } from './framing.mjs';
import {
  chunk,
  json,
  STREAM_END,
  STREAM_EVENTS,
  STREAM_HEAD,
  STREAM_INTERVAL_MS,
  stampedEvent,
  WORKLOADS,
} from './workloads.mjs';

const TOKEN = json({
  access_token: 'bench-access-token-of-a-plausible-length',
  token_type: 'Bearer',
  expires_in: 3600,
});
const IDLE = Buffer.from(STREAM_HEAD + chunk(': held\n\n'));

const JWKS = json(JSON.parse(fs.readFileSync(process.argv[3], 'utf8')));

const answers = new Map([
  ['/token', write(TOKEN.bytes)],
  ['/jwks', write(JWKS.bytes)],
]);
for (const [name, { answer }] of Object.entries(WORKLOADS)) {
  if (answer) answers.set(`/${name}`, write(answer.bytes));
}
answers.set('/idle', write(IDLE));
answers.set('/progress', startStream);

/** One list per millisecond of the interval: streams take turns, so that no event waits for a crowd of others. */
const turns = Array.from({ length: STREAM_INTERVAL_MS }, () => new Set());
let turn = 0;
let joined = 0;
setInterval(takeTurn, 1);

net.createServer({ noDelay: true }, serve).listen(Number(process.argv[2]), '127.0.0.1', 4096);
process.on('disconnect', () => process.exit());

function serve(socket) {
  let path = '';
  const head = ({ start }) => {
    path = start.split(' ', 2)[1];
  };
  const end = () => (answers.get(path) ?? refuse)(socket);
  const reader = new MessageReader({ head, body: ignore, end });
  socket.on('data', (bytes) => reader.push(bytes));
  socket.on('error', () => socket.destroy());
}

function ignore() {}

function write(bytes) {
  return (socket) => socket.write(bytes);
}

function refuse(socket) {
  socket.end('HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n');
}

function startStream(socket) {
  const stream = { socket, sent: 0 };
  socket.write(STREAM_HEAD);
  turns[joined % turns.length].add(stream);
  joined += 1;
  sendEvent(stream);
}

function takeTurn() {
  turn = (turn + 1) % turns.length;
  for (const stream of turns[turn]) {
    if (stream.sent < STREAM_EVENTS && !stream.socket.destroyed) sendEvent(stream);
    else endStream(stream);
  }
}

function sendEvent(stream) {
  stream.sent += 1;
  stream.socket.write(chunk(stampedEvent(stream.sent, process.hrtime.bigint())));
}

function endStream(stream) {
  turns[turn].delete(stream);
  if (!stream.socket.destroyed) stream.socket.write(STREAM_END);
}
