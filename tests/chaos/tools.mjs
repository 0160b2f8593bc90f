import fs from 'node:fs';

/** What the servers offer. `ms`: how long it works, telling its progress meanwhile where that takes any time. */
export const TOOLS = {
  read_item: { safe: true, ms: 0 },
  write_item: { safe: false, ms: 0 },
  read_slowly: { safe: true, ms: 400 },
  write_slowly: { safe: false, ms: 400 },
};

export const STEPS = 4;

/** Answers what needs no time. `session`: whose it is; `ledger`: the file that says what was done. */
export function respond(message, { ledger, session, name }) {
  const said = answerTo(message, { ledger, session, name });
  // What 2026-07-28 has each result say.
  if (name === 'modern' && said.result) said.result.resultType = 'complete';
  return said;
}

function answerTo(message, { ledger, session, name }) {
  const { id, method, params = {} } = message;
  if (method === 'server/discover') {
    const discovered = {
      supportedVersions: ['2026-07-28'],
      capabilities: { tools: {} },
      ttlMs: 0,
      cacheScope: 'private',
    };
    return { jsonrpc: '2.0', id, result: discovered };
  }
  if (method === 'initialize') {
    const info = { capabilities: { tools: {} }, serverInfo: { name, version: '1' } };
    return { jsonrpc: '2.0', id, result: { protocolVersion: params.protocolVersion, ...info } };
  }
  if (method === 'tools/list') {
    const tools = Object.keys(TOOLS).map((tool) => ({ name: tool, inputSchema: { type: 'object' } }));
    return { jsonrpc: '2.0', id, result: { tools, ...(name === 'modern' ? { ttlMs: 0, cacheScope: 'private' } : {}) } };
  }
  if (method !== 'tools/call' || !TOOLS[params.name]) {
    return { jsonrpc: '2.0', id, error: { code: -32601, message: 'no such method' } };
  }
  const { call, caller } = params.arguments;
  note(ledger, { call, caller, tool: params.name, safe: TOOLS[params.name].safe, session });
  return {
    jsonrpc: '2.0',
    id,
    result: { content: [{ type: 'text', text: JSON.stringify({ call, caller, session }) }] },
  };
}

/** Written before the answer is, in one step: a killed server leaves what it has done. */
export function note(file, entry) {
  fs.appendFileSync(file, `${JSON.stringify({ at: Date.now(), ...entry })}\n`);
}

export function progress(token, step) {
  return {
    jsonrpc: '2.0',
    method: 'notifications/progress',
    params: { progressToken: token, progress: step, total: STEPS },
  };
}
