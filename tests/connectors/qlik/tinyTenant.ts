import http from 'node:http';
import type { AddressInfo } from 'node:net';
import type { ToolContext } from '../../../src/contracts/tools.js';
import type { Credential, Owner } from '../../../src/contracts.js';

/** A request as it came over the wire: the path is untouched. */
export interface Heard {
  readonly method: string;
  readonly target: string;
  readonly headers: http.IncomingHttpHeaders;
  readonly body: string;
}

export interface Said {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** An object is written as JSON, text as it is. */
  readonly body?: unknown;
}

export type Answers = (heard: Heard, count: number) => Said | Promise<Said> | undefined;

export interface TinyTenant {
  readonly origin: string;
  readonly heard: readonly Heard[];
  /** That were ever opened. */
  readonly connections: number;
  close(): Promise<void>;
}

/** A server that says whatever a test wants it to say; nothing to say is a connection that stays silent. */
export async function startTinyTenant(answers: Answers): Promise<TinyTenant> {
  const heard: Heard[] = [];
  const server = http.createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += chunk;
    const { method = '', url = '', headers } = request;
    const one = { method, target: url, headers, body };
    heard.push(one);
    const said = await answers(one, heard.length);
    if (!said) return;
    const text = typeof said.body === 'string' ? said.body : said.body === undefined ? '' : JSON.stringify(said.body);
    response.writeHead(said.status ?? 200, said.headers).end(text);
  });
  let connections = 0;
  server.on('connection', () => {
    connections += 1;
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    heard,
    get connections() {
      return connections;
    },
    async close() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function bearer(value: string): Credential {
  const token = { value, obtainedAt: 0, expiresAt: Number.POSITIVE_INFINITY };
  return { headers: ['Authorization', `Bearer ${value}`], token };
}

/** A call of somebody, with what is shown for them. */
export function callOf(owner: Owner | null, shown: string, more: Partial<ToolContext> = {}): ToolContext {
  return { signal: new AbortController().signal, owner, credential: bearer(shown), progress: () => {}, ...more };
}

export const ANN: Owner = { subject: 'corp:ann', tenant: 'acme' };
export const BOB: Owner = { subject: 'corp:bob', tenant: 'acme' };

/** A page of a list as Qlik Cloud writes it. */
export function pageOf(data: readonly unknown[], next: string | null = null): Said {
  return { body: { data, links: { self: { href: 'x' }, next: { href: next }, prev: { href: null } } } };
}

/** A failure as Qlik Cloud writes it. */
export function failure(status: number, title: string, detail?: string, headers: Record<string, string> = {}): Said {
  const code = `HTTP-${status}`;
  return { status, headers, body: { errors: [{ code, title, ...(detail ? { detail } : {}) }], traceId: '000' } };
}
