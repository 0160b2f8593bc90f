import type { MockQlik } from '../../src/testing.js';

export interface Answered {
  readonly status: number;
  readonly headers: Headers;
  /** The JSON of the body; its text, where it is none. */
  readonly body: Record<string, unknown> & {
    readonly data?: Record<string, unknown>[];
    readonly errors?: { code: string }[];
  };
}

export interface Rest {
  get(path: string): Promise<Answered>;
  send(method: string, path: string, body?: unknown, headers?: Record<string, string>): Promise<Answered>;
}

/** The API as a user asks it, with plain fetch. */
export async function restOf(mock: MockQlik, user: string, scope?: string): Promise<Rest> {
  return restWith(mock, { authorization: `Bearer ${await mock.mint(user, scope)}`, 'qlik-api-version': 'latest' });
}

export function restWith(mock: MockQlik, proof: Record<string, string>): Rest {
  const send: Rest['send'] = async (method, path, body, headers = {}) => {
    const json = body === undefined ? {} : { body: JSON.stringify(body) };
    const type = body === undefined ? {} : { 'content-type': 'application/json' };
    return answered(
      await fetch(new URL(path, mock.origin), { method, headers: { ...proof, ...type, ...headers }, ...json }),
    );
  };
  return { get: (path) => send('GET', path), send };
}

export async function answered(response: Response): Promise<Answered> {
  const text = await response.text();
  const json = response.headers.get('content-type')?.includes('json') ? JSON.parse(text) : { text };
  return { status: response.status, headers: response.headers, body: json };
}
