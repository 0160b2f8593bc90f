/** What clients ask and what the upstream answers, byte for byte. Both ends prebuild it: neither parses JSON while it is measured. */

const SESSION = '7b1c9c0e-5f0a-4c53-9a55-0f4d7a2b6f11';
const MODERN = '2026-07-28';
const CRLF = '\r\n';

/** Events of one long stream, besides the result that ends it, and the milliseconds between them. */
export const STREAM_EVENTS = 60;
export const STREAM_INTERVAL_MS = 5;
/** The key before the number of nanoseconds at which the upstream wrote an event. */
export const STAMP_KEY = '"bench/at":';

const QUERY = { query: 'open purchase orders of plant 1010', limit: 20 };
const CALL = { name: 'search_orders', arguments: QUERY };
/** Of the toolset `demo`: next to nothing to do. */
const COUNT = { name: 'get_count', arguments: {} };
const COUNT_ROUTING = { 'mcp-method': 'tools/call', 'mcp-name': COUNT.name };
const CALL_ROUTING = { 'mcp-method': 'tools/call', 'mcp-name': CALL.name };

/** The head of an event stream. */
export const STREAM_HEAD = head({ 'content-type': 'text/event-stream', 'transfer-encoding': 'chunked' });
/** What ends a stream, the last chunk included. */
export const STREAM_END = chunk(event(result(text(190)))) + chunk('');

/** By name, which is the path upstream. `answer` is missing where the upstream streams at its own pace, `held` means that it never ends. */
export const WORKLOADS = {
  call: { request: post('tools/call', CALL), answer: json(result(text(190))) },
  'call-64k': { request: post('tools/call', CALL), answer: json(result(text(65_400))) },
  'call-sse': { request: post('tools/call', CALL), answer: events(event(result(text(190)))) },
  'call-2026': { request: modern(post('tools/call', withMeta(CALL)), CALL_ROUTING), answer: json(result(text(190))) },
  'call-count': { request: modern(post('tools/call', withMeta(COUNT)), COUNT_ROUTING), answer: json(counted(0)) },
  list: { request: post('tools/list', {}), answer: json(result({ tools: Array.from({ length: 12 }, tool) })) },
  progress: { request: post('tools/call', CALL) },
  idle: { request: { method: 'GET', headers: { accept: 'text/event-stream' }, body: '' }, held: true },
};

/** The bytes of a request as a client on Node's fetch sends it, with the headers of the MCP SDK, and a token where the caller has one. */
export function requestBytes(workload, path, port, token, session = token === undefined ? SESSION : undefined) {
  const { method, headers, body } = WORKLOADS[workload].request;
  const lines = {
    host: `127.0.0.1:${port}`,
    connection: 'keep-alive',
    'mcp-protocol-version': '2025-11-25',
    ...(session === undefined ? {} : { 'mcp-session-id': session }),
    'accept-language': '*',
    'sec-fetch-mode': 'cors',
    'user-agent': 'node',
    'accept-encoding': 'gzip, deflate',
    ...headers,
    ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    ...(body ? { 'content-length': Buffer.byteLength(body) } : {}),
  };
  return Buffer.from(`${method} ${path} HTTP/1.1${CRLF}${headerLines(lines)}${CRLF}${body}`);
}

/** One event of the stream, which says when it was written. */
export function stampedEvent(progress, at) {
  const meta = `"_meta":{${STAMP_KEY}${at}}`;
  return `event: message\ndata: {"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":${progress},${meta}}}\n\n`;
}

/** RFC 9112 section 7.1. */
export function chunk(content) {
  return `${Buffer.byteLength(content).toString(16)}${CRLF}${content}${CRLF}`;
}

/** An answer with a length: `{ bytes, body }`, the whole message and its content. */
export function json(value) {
  const body = JSON.stringify(value);
  const lines = { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) };
  return { bytes: Buffer.from(head(lines) + body), body };
}

function events(body) {
  return { bytes: Buffer.from(STREAM_HEAD + chunk(body) + chunk('')), body };
}

function event(message) {
  return `event: message\ndata: ${JSON.stringify(message)}\n\n`;
}

function head(lines) {
  const all = {
    ...lines,
    date: 'Thu, 01 Jan 2026 00:00:00 GMT',
    'cache-control': 'no-cache',
    'mcp-session-id': SESSION,
  };
  return `HTTP/1.1 200 OK${CRLF}${headerLines(all)}${CRLF}`;
}

function headerLines(lines) {
  return Object.entries(lines)
    .map(([name, value]) => `${name}: ${value}${CRLF}`)
    .join('');
}

function post(method, params) {
  const headers = { accept: 'application/json, text/event-stream', 'content-type': 'application/json' };
  return { method: 'POST', headers, body: JSON.stringify({ method, params, jsonrpc: '2.0', id: 7 }) };
}

/** Stateless: no session, and headers that repeat what the body says (SEP-2243). */
function modern(request, routing) {
  return { ...request, headers: { ...request.headers, 'mcp-protocol-version': MODERN, ...routing } };
}

function withMeta(params) {
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': MODERN,
    'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1.0.0' },
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  return { ...params, _meta };
}

function result(value) {
  return { result: value, jsonrpc: '2.0', id: 7 };
}

/** As a toolset answers that is called like the workload. */
function counted(count) {
  const value = { count };
  const content = [{ type: 'text', text: JSON.stringify(value) }];
  const _meta = { 'io.modelcontextprotocol/serverInfo': { name: 'call-count', version: '1' } };
  return result({ content, structuredContent: value, resultType: 'complete', _meta });
}

function text(length) {
  return {
    content: [{ type: 'text', text: 'order 4500001234: open; '.repeat(length / 24 + 1).slice(0, length) }],
    isError: false,
  };
}

function tool(_, index) {
  const property = { type: 'string', description: 'Narrows the result to what matches this expression.' };
  return {
    name: `search_${index}`,
    description: 'Searches one kind of business object and answers with the matching ones, newest first.',
    inputSchema: { type: 'object', properties: { query: property, plant: property }, required: ['query'] },
  };
}
