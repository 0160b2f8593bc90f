/**
 * An MCP server in a process of its own, which writes down all that it does and can be told to misbehave. `upstream.mjs <port>
 * <ledger> <secret> <name>`: `modern` is one of 2026-07-28, `old` one of 2024-11-05, any other one of 2025-11-25 with sessions. A message `{trouble, share, seed}` is what it does to that share of
 * requests from now on, `{notBefore}` since when tokens are taken, `{tellMs}` how often a stream says something.
 */
import { randomUUID } from 'node:crypto';
import http from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import { randomFrom } from './random.mjs';
import { sinceOf } from './tokens.mjs';
import { progress, respond, STEPS, TOOLS } from './tools.mjs';

const [port, ledger, secret, name] = process.argv.slice(2);

/** From session to the caller who began it. */
const sessions = new Map();
let state = { trouble: undefined, share: 0, notBefore: 0, tellMs: 400, random: randomFrom(1) };

process.on('message', (order) => {
  state = { ...state, ...order, ...(order.seed === undefined ? {} : { random: randomFrom(order.seed) }) };
  process.send({});
});
process.on('disconnect', () => process.exit());

const server = http.createServer({ keepAliveTimeout: 20_000 }, (request, response) => {
  response.on('error', () => {});
  const since = sinceOf(secret, String(request.headers.authorization).replace(/^Bearer /, ''));
  if (since === undefined || since < state.notBefore) {
    return response.writeHead(401, { 'www-authenticate': 'Bearer error="invalid_token"' }).end();
  }
  if (request.method === 'GET') return name === 'old' ? open(response) : listen(request, response);
  if (request.method === 'DELETE') {
    sessions.delete(request.headers['mcp-session-id']);
    return response.writeHead(200).end();
  }
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => void take(request, response, JSON.parse(Buffer.concat(chunks).toString())));
});

async function take(request, response, message) {
  const trouble = state.trouble !== undefined && state.random() < state.share ? state.trouble : undefined;
  if (trouble === 'slow') await sleep(1500);
  if (name === 'old') return takeForStream(request, response, message, trouble);
  if (name === 'modern') return answer(response, message, { trouble, headers: {} });
  const begins = message.method === 'initialize';
  const session = begins ? randomUUID() : request.headers['mcp-session-id'];
  if (!begins && !sessions.has(session)) return response.writeHead(404).end();
  if (begins) sessions.set(session, message.params.clientInfo.name);
  if (message.id === undefined) return response.writeHead(202).end();
  return answer(response, message, { trouble, session, headers: begins ? { 'mcp-session-id': session } : {} });
}

/** At once in JSON, or as a stream that tells how far it is. */
async function answer(response, message, { trouble, session, headers }) {
  const said = respond(message, { ledger, session, name });
  if (trouble && trouble !== 'slow') return TROUBLES[trouble](response, said);
  const ms = message.method === 'tools/call' ? TOOLS[message.params.name].ms : 0;
  if (ms === 0)
    return response.writeHead(200, { ...headers, 'content-type': 'application/json' }).end(JSON.stringify(said));
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  await work(response, message, ms);
  response.end(event(said));
}

async function work(stream, { params }, ms) {
  for (let step = 1; step <= STEPS && ms > 0; step += 1) {
    // Whose it is stands in it, so that one that reaches another caller is found out.
    if (params._meta?.progressToken !== undefined) stream.write(event(progress(params._meta.progressToken, step)));
    await sleep(ms / STEPS);
  }
}

/** A session of HTTP+SSE: the stream, whose first event says where messages go. */
function open(response) {
  const session = randomUUID();
  sessions.set(session, response);
  response.on('close', () => sessions.delete(session));
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(`event: endpoint\ndata: /messages?session=${session}\n\n`);
}

/** The answer to a message of HTTP+SSE is said on the session's stream. */
async function takeForStream(request, response, message, trouble) {
  const session = new URL(request.url, 'http://localhost').searchParams.get('session');
  const stream = sessions.get(session);
  if (!stream) return response.writeHead(404).end();
  if (message.id === undefined) return response.writeHead(202).end();
  const said = respond(message, { ledger, session, name });
  if (trouble === 'reset') return stream.socket?.resetAndDestroy();
  if (trouble && trouble !== 'slow') return TROUBLES[trouble](response, said);
  response.writeHead(202).end();
  await work(stream, message, message.method === 'tools/call' ? TOOLS[message.params.name].ms : 0);
  stream.write(event(said));
}

/** A stream of what the server says by itself: whose session it is. */
function listen(request, response) {
  const session = request.headers['mcp-session-id'];
  const caller = sessions.get(session);
  if (caller === undefined) return response.writeHead(404).end();
  response.writeHead(200, { 'content-type': 'text/event-stream' }).flushHeaders();
  const data = { caller, session };
  const timer = setInterval(
    () => response.write(event({ jsonrpc: '2.0', method: 'notifications/message', params: { level: 'info', data } })),
    state.tellMs,
  );
  response.on('close', () => clearInterval(timer));
}

/** By now the work is done, and in the ledger. */
const TROUBLES = {
  reset(response, answer) {
    response.writeHead(200, { 'content-type': 'text/event-stream' });
    response.write(event(progress(0, 1)) + event(answer).slice(0, 20), () => response.socket?.resetAndDestroy());
  },
  silence: (response) => void response.socket.resetAndDestroy(),
  noise: (response) => void response.socket.end('\x16\x03\x01 what is this?\r\n\r\n'),
  html: (response) => void response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html><h1>Welcome'),
  torn(response, answer) {
    const body = JSON.stringify(answer);
    response.writeHead(200, { 'content-type': 'application/json', 'content-length': body.length });
    response.write(body.slice(0, body.length / 2), () => response.socket?.destroy());
  },
  sick: (response) => void response.writeHead(502).end('bad gateway'),
};

function event(message) {
  return `event: message\ndata: ${JSON.stringify(message)}\n\n`;
}

server.listen(Number(port), '127.0.0.1');
