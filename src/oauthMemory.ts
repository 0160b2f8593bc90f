import type { Entry, Settings } from './config/settings.js';
import type { Vault } from './contracts.js';
import { ConfigError } from './core/errors.js';
import { clientWords, OAuthMemory } from './credentials/oauthDocument.js';

/** A destination that people log in at. */
export interface LoginTarget {
  readonly destination: string;
  readonly server: URL;
  /** Its name. */
  readonly credential: string;
  readonly entry: Entry;
}

/** The destination that the start names, where people log in at it. */
export function findLoginTarget({ forced, destinations, credentials }: Settings): LoginTarget | undefined {
  const destination = forced.destination ?? '';
  const { url, credential = '' } = destinations.get(destination)?.options ?? {};
  const entry = credentials.get(String(credential));
  return entry?.kind === 'mcp-oauth' && typeof url === 'string'
    ? { destination, server: new URL(url), credential: String(credential), entry }
    : undefined;
}

/** @throws ConfigError where nobody logs in at the destination that the start names */
export function loginTarget(settings: Settings): LoginTarget {
  const found = findLoginTarget(settings);
  if (found) return found;
  const message = `nobody logs in at ${settings.forced.destination}: it has no credential of kind mcp-oauth, nor another that is for people`;
  throw new ConfigError([{ file: 'flags', path: 'destination', message, severity: 'fault' }]);
}

/** What is kept of the login there. */
export function memoryOf(settings: Settings, vault: Vault): OAuthMemory {
  const { server, credential, entry } = loginTarget(settings);
  return new OAuthMemory(vault, null, credential, server, clientWords(clientOptions(entry)));
}

/** The options that say which client logs in, as the kind reads them. */
export function clientOptions({ options }: Entry) {
  const text = (key: string) => (typeof options[key] === 'string' ? (options[key] as string) : undefined);
  const metadata = text('clientMetadataUrl');
  return {
    clientId: text('clientId'),
    clientSecret: text('clientSecret'),
    clientMetadataUrl: metadata === undefined ? undefined : new URL(metadata).href,
    resource: text('resource'),
    issuer: text('issuer'),
  };
}
