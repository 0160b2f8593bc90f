/** What the MCP servers behind the bridges say: the same answers over HTTP and over stdio, whoever asks. */

const RESULTS = {
  initialize: ({ protocolVersion }) => ({
    protocolVersion,
    capabilities: { tools: {} },
    serverInfo: { name: 'bench', version: '1.0.0' },
  }),
  ping: () => ({}),
  'tools/list': () => ({ tools: [{ name: 'search_orders', inputSchema: { type: 'object' } }] }),
};

const CALL_RESULT = JSON.stringify({ content: [{ type: 'text', text: 'order 4500001234: open; '.repeat(8) }] });

/** The answer to one message as JSON in one line; undefined where nothing is to be answered. */
export function answerTo(text) {
  const { id, method, params } = JSON.parse(text);
  if (id === undefined || method === undefined) return undefined;
  if (method === 'tools/call') return `{"result":${CALL_RESULT},"jsonrpc":"2.0","id":${JSON.stringify(id)}}`;
  const result = RESULTS[method]?.(params);
  const error = { code: -32601, message: 'Method not found' };
  return JSON.stringify({ ...(result ? { result } : { error }), jsonrpc: '2.0', id });
}
