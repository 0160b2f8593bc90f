/** What users of the Qlik toolset say, byte for byte: calls as of 2026-07-28, which need no session. */

const META = {
  'io.modelcontextprotocol/protocolVersion': '2026-07-28',
  'io.modelcontextprotocol/clientInfo': { name: 'bench', version: '1.0.0' },
  'io.modelcontextprotocol/clientCapabilities': {},
};

/** Of the amounts in everybody's app. */
export const SUM = 190;

export function openApp(port, { token, appId }) {
  return request(port, token, 'qlik_open_app', { appId });
}

export function sumAmounts(port, { token }, handle) {
  return request(port, token, 'qlik_evaluate_expression', { handle, expression: 'Sum(Amount)' });
}

/** The `structuredContent` of an answer; throws where there is none. */
export function contentOf(body) {
  const { result } = JSON.parse(body);
  if (!result?.structuredContent) throw new Error(`a call was answered ${body.slice(0, 500)}`);
  return result.structuredContent;
}

function request(port, token, name, given) {
  const params = { name, arguments: given, _meta: META };
  const body = JSON.stringify({ jsonrpc: '2.0', id: 7, method: 'tools/call', params });
  const lines = {
    host: `127.0.0.1:${port}`,
    authorization: `Bearer ${token}`,
    accept: 'application/json, text/event-stream',
    'content-type': 'application/json',
    'mcp-protocol-version': META['io.modelcontextprotocol/protocolVersion'],
    'mcp-method': 'tools/call',
    'mcp-name': name,
    'content-length': Buffer.byteLength(body),
  };
  const head = Object.entries(lines).map(([key, value]) => `${key}: ${value}\r\n`);
  return Buffer.from(`POST /mcp/qlik HTTP/1.1\r\n${head.join('')}\r\n${body}`);
}
