/** What a client says, as JSON in one line. */

const CALL = {
  name: 'search_orders',
  arguments: { query: 'open purchase orders of plant 1010', limit: 20 },
};
const INITIALIZE = {
  protocolVersion: '2025-06-18',
  capabilities: {},
  clientInfo: { name: 'bench', version: '1.0.0' },
};

export const INITIALIZED = '{"method":"notifications/initialized","jsonrpc":"2.0"}';

export function initialize(id) {
  return JSON.stringify({ method: 'initialize', params: INITIALIZE, jsonrpc: '2.0', id });
}

export function call(id) {
  return JSON.stringify({ method: 'tools/call', params: CALL, jsonrpc: '2.0', id });
}
