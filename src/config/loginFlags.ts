import fs from 'node:fs';
import { ConfigError, errorCode } from '../core/errors.js';
import { parsedObject } from '../core/json.js';
import type { Environment } from './environment.js';
import { type Branch, branch, faultAt, type Place, type Tree } from './tree.js';

/** What mcp-remote's options say about its login, by the names that commander gives them. */
export interface LoginOptions {
  readonly callbackPort?: string;
  /** Of the redirect URI. */
  readonly host?: string;
  readonly callbackPath?: string;
  /** Seconds. */
  readonly authTimeout?: string;
  /** Empty: none. */
  readonly resource?: string;
  readonly disableResourceParameter?: boolean;
  /** JSON, or `@` and the file that holds it. */
  readonly staticOauthClientInfo?: string;
  /** The same. */
  readonly staticOauthClientMetadata?: string;
  /** `name=value` each. */
  readonly authorizeParam?: readonly string[];
  readonly clientMetadataUrl?: string;
}

/** Options of a credential of kind `mcp-oauth`, from the command line. */
export interface OAuthFlags {
  readonly clientId?: string;
  readonly clientSecret?: string;
  readonly clientMetadataUrl?: string;
  readonly clientMetadata?: Readonly<Record<string, unknown>>;
  readonly scope?: string;
  readonly resource?: string;
  readonly authorizeParameters?: Readonly<Record<string, string>>;
}

/** The option that each of them came by. */
const SAID_BY: Readonly<Record<keyof OAuthFlags, string>> = {
  clientId: '--static-oauth-client-info',
  clientSecret: '--static-oauth-client-info',
  clientMetadataUrl: '--client-metadata-url',
  clientMetadata: '--static-oauth-client-metadata',
  scope: '--static-oauth-client-metadata',
  resource: '--resource',
  authorizeParameters: '--authorize-param',
};

/** @throws ConfigError for what can't be meant; no value stands in it */
export function oauthFlags(options: LoginOptions, env: Environment): OAuthFlags {
  const { resource, clientMetadataUrl } = options;
  return {
    ...clientOf(options.staticOauthClientInfo, env),
    ...metadataOf(options.staticOauthClientMetadata),
    ...parametersOf(options.authorizeParam ?? []),
    ...(clientMetadataUrl === undefined ? {} : { clientMetadataUrl }),
    ...(options.disableResourceParameter ? { resource: '' } : resource === undefined ? {} : { resource }),
  };
}

/** The same as a part of a configuration, each value standing where it was said. */
export function oauthTree(flags: OAuthFlags, cwd: string): Branch {
  const entries = Object.entries(flags).map(
    ([key, value]) => [key, treeOf(value, placeOf(SAID_BY[key as keyof OAuthFlags], cwd))] as const,
  );
  return branch(placeOf('', cwd), entries);
}

function clientOf(written: string | undefined, env: Environment): OAuthFlags {
  if (written === undefined) return {};
  const said = objectIn(written, SAID_BY.clientId);
  const { client_id: clientId, client_secret: clientSecret } = said;
  if (typeof clientId !== 'string') throw fault(SAID_BY.clientId, 'names no client_id');
  const filled = (text: string) => text.replace(/\$\{(\w+)\}/g, (_, name: string) => env[name] ?? '');
  return {
    clientId: filled(clientId),
    ...(typeof clientSecret === 'string' ? { clientSecret: filled(clientSecret) } : {}),
  };
}

function metadataOf(written: string | undefined): OAuthFlags {
  if (written === undefined) return {};
  const { scope, ...clientMetadata } = objectIn(written, SAID_BY.clientMetadata);
  return { clientMetadata, ...(typeof scope === 'string' && scope !== '' ? { scope } : {}) };
}

function parametersOf(pairs: readonly string[]): OAuthFlags {
  if (pairs.length === 0) return {};
  const parameters = pairs.map((pair) => {
    const [, name, value] = /^([^=]+)=(.*)$/s.exec(pair) ?? [];
    if (name === undefined || value === undefined) throw fault(SAID_BY.authorizeParameters, 'must be name=value');
    return [name, value] as const;
  });
  return { authorizeParameters: Object.fromEntries(parameters) };
}

function objectIn(written: string, flag: string): Readonly<Record<string, unknown>> {
  const text = written.startsWith('@') ? textOf(written.slice(1), flag) : written;
  const value = parsedObject(text);
  if (!value) throw fault(flag, 'must be a JSON object, or @ and the name of a file that holds one');
  return value;
}

function textOf(file: string, flag: string): string {
  try {
    return fs.readFileSync(file, 'utf8');
  } catch (cause) {
    throw fault(flag, `${file} can't be read (${errorCode(cause)})`);
  }
}

function fault(flag: string, message: string): ConfigError {
  return new ConfigError([faultAt(placeOf(flag, ''), message)]);
}

function placeOf(flag: string, cwd: string): Place {
  return { file: 'flags', path: flag, baseDir: cwd };
}

function treeOf(value: unknown, place: Place): Tree {
  if (Array.isArray(value)) return { place, items: value.map((item) => treeOf(item, place)) };
  if (typeof value !== 'object' || value === null) return { place, value: value as string | number | boolean | null };
  return branch(
    place,
    Object.entries(value).map(([key, each]) => [key, treeOf(each, place)] as const),
  );
}
