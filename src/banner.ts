/** What a person who just started the proxy can paste: a first call, and an entry for Cline. */
export function banner(url: string, destination: string | undefined): string {
  if (destination === undefined) return `\nDrawbridge listens on ${url}; no destination is configured.\n\n`;
  const call = { jsonrpc: '2.0', id: 1, method: 'tools/list', params: {} };
  const entry = { mcpServers: { [destination]: { type: 'streamableHttp', url: `${url}/mcp/${destination}` } } };
  return `
Drawbridge listens on ${url}

A first call:

curl -sS ${url}/mcp -H 'content-type: application/json' -H 'accept: application/json, text/event-stream' -H 'x-btp-destination: ${destination}' -d '${JSON.stringify(call)}'

For Cline (cline_mcp_settings.json):

${JSON.stringify(entry, null, 2)}

`;
}
