import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Provider, sendJson, startTokenServer } from './tokenServer.js';

export interface IssuerSettings {
  /** Begins every token, so that a test sees whose it is. */
  readonly label?: string;
  readonly clientSecret?: string;
  /** Seconds. */
  readonly expiresIn?: number;
  /** How long a token request takes. Milliseconds. */
  readonly delayMs?: number;
}

/** An authorization server whose tokens nothing but itself can tell from others. */
export interface Issuer extends Provider {
  /** In the order in which they were issued. */
  readonly tokens: readonly string[];
  /** True for a token that was issued here and serves still. */
  accepts(token: string): boolean;
  /** From now on, none that was issued so far serves. */
  revoke(): void;
  /** The configuration of a credential from here, for these origins. */
  credential(...origins: string[]): Record<string, unknown>;
}

const CLIENT_ID = 'jobs';

/** Starts one with a single client, good for client credentials only (RFC 6749 section 4.4). */
export async function startIssuer(settings: IssuerSettings = {}): Promise<Issuer> {
  const { label = 'token', clientSecret = 'only-for-this-test', expiresIn = 3600, delayMs = 0 } = settings;
  const ends = new Map<string, number>();
  const provider = await startTokenServer({
    tokenPath: '/token',
    handler: () => async (_request, response, seen) => {
      const form = new URLSearchParams(seen.body);
      if (form.get('client_id') !== CLIENT_ID || form.get('client_secret') !== clientSecret)
        return sendJson(response, 401, { error: 'invalid_client' });
      await sleep(delayMs);
      const token = `${label}.${randomUUID()}`;
      ends.set(token, Date.now() + expiresIn * 1000);
      sendJson(response, 200, { access_token: token, token_type: 'Bearer', expires_in: expiresIn });
    },
  });
  return {
    ...provider,
    get tokens() {
      return [...ends.keys()];
    },
    accepts: (token) => Date.now() < (ends.get(token) ?? 0),
    revoke: () => {
      for (const token of ends.keys()) ends.set(token, 0);
    },
    credential: (...origins) => ({
      kind: 'client-credentials',
      tokenUrl: provider.tokenUrl,
      clientId: CLIENT_ID,
      clientSecret,
      origins,
    }),
  };
}
