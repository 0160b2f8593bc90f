/** Header lines by name; undefined leaves a default line out. */
export type Lines = Readonly<Record<string, string | undefined>>;

/** A tool call: the one request that must never be made twice. */
export function call(id: string | number): string {
  return JSON.stringify({ jsonrpc: '2.0', id, method: 'tools/call', params: { name: 'count' } });
}

/** The bytes of a POST as an MCP client sends it; `lines` replace, add to or take from its header lines. */
export function post(target: string, body: string | Buffer, lines: Lines = {}): Buffer {
  const bytes = Buffer.from(body);
  const given = { 'Content-Type': 'application/json', 'Content-Length': String(bytes.length), ...lines };
  return Buffer.concat([head('POST', target, given), bytes]);
}

/** The bytes of a request without a body. */
export function get(target: string, lines: Lines = {}, method = 'GET'): Buffer {
  return head(method, target, lines);
}

function head(method: string, target: string, lines: Lines): Buffer {
  const given = { Host: 'localhost', Accept: 'application/json, text/event-stream', ...lines };
  const written = Object.entries(given).filter(([, value]) => value !== undefined);
  const text = [`${method} ${target} HTTP/1.1`, ...written.map(([name, value]) => `${name}: ${value}`), '', ''];
  return Buffer.from(text.join('\r\n'), 'latin1');
}
