/** An answer, read whole. */
export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

const HEADERS = { 'content-type': 'application/json', accept: 'application/json, text/event-stream' };

/** Posts one JSON-RPC request of the revisions of 2025 and reads the answer to its end. */
export async function call(
  url: string,
  method: string,
  params: object = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<Answer> {
  const body = JSON.stringify({ jsonrpc: '2.0', id: 1, method, params });
  return request(url, { method: 'POST', headers: { ...HEADERS, ...headers }, body });
}

/** Calls a tool without arguments. */
export function callTool(url: string, name: string, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return call(url, 'tools/call', { name, arguments: {} }, headers);
}

/** Any request, read to its end. */
export async function request(url: string, init: RequestInit = {}): Promise<Answer> {
  const response = await fetch(url, { redirect: 'manual', ...init });
  return { status: response.status, headers: response.headers, text: await response.text() };
}

/** The `data.code` of an error of ours; undefined for anything else. */
export function codeOf({ text }: Answer): string | undefined {
  return (JSON.parse(text) as { error?: { data?: { code?: string } } }).error?.data?.code;
}
