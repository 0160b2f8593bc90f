import { createHash, randomUUID } from 'node:crypto';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

/** A provider that rotates refresh tokens, and ends a login whose refresh token comes a second time (RFC 9700 section 4.14.2). */
export interface StrictProvider {
  /** How long access tokens serve from now on. Seconds. */
  accessSeconds: number;
  /** What became of every refresh, in their order; written before the answer leaves. */
  readonly ledger: readonly ('renewed' | 'reused')[];
  /** Every token so far, of both sorts. */
  readonly tokens: ReadonlySet<string>;
  /** Token requests are worked on at once, and answered when that is over. */
  answerAfter(moment: Promise<unknown>): void;
  /** Token requests that come while it hangs are never looked at. */
  hang(hangs: boolean): void;
  /** Token requests so far. */
  asked(): number;
  /** An access token that serves no more, before its time. */
  refuse(token: string): void;
}

/** An MCP server, and the strict provider of its tokens. */
export interface StrictWorld {
  readonly provider: StrictProvider;
  readonly url: string;
  config(rest?: object): object;
  /** The person logs in at the address, and the browser goes where it is sent. */
  visit(address: URL): Promise<void>;
  close(): Promise<void>;
}

interface Family {
  refresh: string;
  alive: boolean;
}

class Strict implements StrictProvider {
  accessSeconds = 600;
  readonly ledger: ('renewed' | 'reused')[] = [];
  readonly tokens = new Set<string>();
  readonly access = new Map<string, number>();
  readonly codes = new Map<string, string>();
  readonly #families = new Map<string, Family>();
  #moment: Promise<unknown> = Promise.resolve();
  #hangs = false;
  #asked = 0;

  answerAfter(moment: Promise<unknown>): void {
    this.#moment = moment;
  }

  hang(hangs: boolean): void {
    this.#hangs = hangs;
  }

  asked(): number {
    return this.#asked;
  }

  refuse(token: string): void {
    this.access.delete(token);
  }

  async answer(form: URLSearchParams): Promise<[status: number, body: object] | undefined> {
    this.#asked += 1;
    if (this.#hangs) return undefined;
    const given = form.get('grant_type') === 'refresh_token' ? this.#renew(form) : this.#redeem(form);
    await this.#moment;
    return given ? [200, given] : [400, { error: 'invalid_grant' }];
  }

  #redeem(form: URLSearchParams): object | undefined {
    const challenge = createHash('sha256')
      .update(form.get('code_verifier') ?? '')
      .digest('base64url');
    const code = form.get('code') ?? '';
    if (this.codes.get(code) !== challenge) return undefined;
    this.codes.delete(code);
    return this.#give({ refresh: '', alive: true });
  }

  #renew(form: URLSearchParams): object | undefined {
    const token = form.get('refresh_token') ?? '';
    const family = this.#families.get(token);
    if (!family?.alive || family.refresh !== token) {
      this.ledger.push('reused');
      if (family) family.alive = false;
      return undefined;
    }
    this.ledger.push('renewed');
    return this.#give(family);
  }

  #give(family: Family): object {
    family.refresh = `refresh-${randomUUID()}`;
    this.#families.set(family.refresh, family);
    const access = `access-${randomUUID()}`;
    this.access.set(access, Date.now() + this.accessSeconds * 1000);
    this.tokens.add(access).add(family.refresh);
    const expires = { expires_in: this.accessSeconds };
    return { access_token: access, token_type: 'Bearer', refresh_token: family.refresh, ...expires };
  }
}

export async function startStrictWorld(): Promise<StrictWorld> {
  const provider = new Strict();
  const server = http.createServer((request, response) => void answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const say = (response: http.ServerResponse, status: number, body: object, headers: object = {}) =>
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));

  const routes: [prefix: string, answer: (url: URL, text: string, response: http.ServerResponse) => unknown][] = [
    ['/.well-known/oauth-protected-resource', (_url, _text, response) => say(response, 200, resource(origin))],
    ['/.well-known/', (_url, _text, response) => say(response, 200, metadata(origin))],
    ['/register', (_url, text, response) => say(response, 201, { ...JSON.parse(text), client_id: randomUUID() })],
    ['/authorize', (url, _text, response) => authorize(url, response)],
    ['/token', (_url, text, response) => token(text, response)],
  ];

  async function answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', origin);
    let text = '';
    for await (const chunk of request as AsyncIterable<Buffer>) text += chunk;
    const route = routes.find(([prefix]) => url.pathname.startsWith(prefix));
    if (route) return void route[1](url, text, response);
    const shown = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1] ?? '';
    if (Date.now() < (provider.access.get(shown) ?? 0)) {
      say(response, 200, { jsonrpc: '2.0', id: idIn(text), result: { user: 'ada' } });
      return;
    }
    const challenge = `Bearer resource_metadata="${origin}/.well-known/oauth-protected-resource/mcp"`;
    say(response, 401, {}, { 'www-authenticate': challenge });
  }

  async function token(text: string, response: http.ServerResponse): Promise<void> {
    const given = await provider.answer(new URLSearchParams(text));
    if (given) say(response, ...given);
  }

  function authorize(url: URL, response: http.ServerResponse): void {
    const code = randomUUID();
    provider.codes.set(code, url.searchParams.get('code_challenge') ?? '');
    const back = new URL(url.searchParams.get('redirect_uri') ?? '');
    back.search = new URLSearchParams({ code, state: url.searchParams.get('state') ?? '', iss: origin }).toString();
    response.writeHead(302, { location: back.href }).end();
  }

  return {
    provider,
    url: `${origin}/mcp`,
    config: (rest = {}) => ({
      destinations: { tools: { kind: 'http', url: `${origin}/mcp`, credential: 'login', era: 'legacy' } },
      credentials: { login: { kind: 'mcp-oauth', origins: [origin] } },
      ...rest,
    }),
    visit: async (address) => {
      expect((await fetch(address)).status).toBe(200);
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function resource(origin: string): object {
  return { resource: `${origin}/mcp`, authorization_servers: [origin] };
}

function metadata(origin: string): object {
  return {
    issuer: origin,
    authorization_endpoint: `${origin}/authorize`,
    token_endpoint: `${origin}/token`,
    registration_endpoint: `${origin}/register`,
    response_types_supported: ['code'],
    code_challenge_methods_supported: ['S256'],
    authorization_response_iss_parameter_supported: true,
  };
}

function idIn(text: string): unknown {
  return (JSON.parse(text || '{}') as { id?: unknown }).id ?? null;
}
