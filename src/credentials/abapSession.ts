import { readFile, stat } from 'node:fs/promises';
import path from 'node:path';
import { parseEnv } from 'node:util';
import { claimsIn } from '../core/claims.js';
import { Secret } from '../core/secret.js';

/** What mcp-abap-adt-proxy kept of a person's login at one destination. */
export interface AbapSession {
  /** Whose words the file uses: `XSUAA_…`, `SAP_…` or `BTP_…`. */
  readonly dialect: 'xsuaa' | 'sap' | 'btp';
  /** The access token that still serves, and until when; epoch milliseconds. */
  readonly token?: { readonly value: Secret; readonly obtainedAt: number; readonly expiresAt: number };
  readonly refreshToken?: Secret;
  /** Where it is renewed, and as which client: files since 5.0 leave that to the service key. */
  readonly uaa?: { readonly url: URL; readonly clientId: string; readonly clientSecret?: Secret };
  /** The server that the token is for. */
  readonly url?: URL;
}

/** Sessions are small. Bytes. */
const MOST_BYTES = 64 * 1024;

/** The names that each dialect has for the same thing. */
const DIALECTS = [
  { dialect: 'xsuaa', prefix: 'XSUAA_', url: 'XSUAA_MCP_URL' },
  { dialect: 'sap', prefix: 'SAP_', url: 'SAP_URL' },
  { dialect: 'btp', prefix: 'BTP_', url: 'BTP_URL' },
] as const;

/**
 * The session of a destination: `<folder>/<name>.env`, read and never written. Undefined where there is none, or none that
 * holds a token which serves: whoever asks logs in instead. `now`: epoch milliseconds.
 */
export async function readAbapSession(folder: string, name: string, now: number): Promise<AbapSession | undefined> {
  // No name leads out of the folder.
  if (path.basename(name) !== name) return undefined;
  const read = await textOf(path.join(folder, `${name}.env`));
  return read && sessionIn(parseEnv(read.text), read.writtenAt, now);
}

async function textOf(file: string): Promise<{ text: string; writtenAt: number } | undefined> {
  try {
    const found = await stat(file);
    if (!found.isFile() || found.size > MOST_BYTES) return undefined;
    return { text: await readFile(file, 'utf8'), writtenAt: Math.round(found.mtimeMs) };
  } catch {
    return undefined;
  }
}

function sessionIn(values: NodeJS.Dict<string>, writtenAt: number, now: number): AbapSession | undefined {
  for (const { dialect, prefix, url: urlName } of DIALECTS) {
    const token = tokenIn(values[`${prefix}JWT_TOKEN`], writtenAt, now);
    const refreshToken = secretIn(values[`${prefix}REFRESH_TOKEN`]);
    if (!token && !refreshToken) continue;
    const uaa = uaaIn(values, prefix);
    const url = urlIn(values[urlName]);
    return {
      dialect,
      ...(token ? { token } : {}),
      ...(refreshToken ? { refreshToken } : {}),
      ...(uaa ? { uaa } : {}),
      ...(url ? { url } : {}),
    };
  }
  return undefined;
}

/** Only its server can tell whether it is genuine; here it only matters when it ends. */
function tokenIn(value: string | undefined, obtainedAt: number, now: number): AbapSession['token'] {
  const end = value ? endOf(value) : undefined;
  return value && end !== undefined && now < end ? { value: new Secret(value), obtainedAt, expiresAt: end } : undefined;
}

function endOf(token: string): number | undefined {
  const exp = claimsIn(token)?.exp;
  return typeof exp === 'number' ? exp * 1000 : undefined;
}

function uaaIn(values: NodeJS.Dict<string>, prefix: string): AbapSession['uaa'] {
  const url = urlIn(values[`${prefix}UAA_URL`]);
  const clientId = values[`${prefix}UAA_CLIENT_ID`];
  if (!url || !clientId) return undefined;
  const clientSecret = secretIn(values[`${prefix}UAA_CLIENT_SECRET`]);
  return { url, clientId, ...(clientSecret ? { clientSecret } : {}) };
}

function secretIn(value: string | undefined): Secret | undefined {
  return value ? new Secret(value) : undefined;
}

function urlIn(value: string | undefined): URL | undefined {
  if (!value || !URL.canParse(value)) return undefined;
  const url = new URL(value);
  return /^https?:$/.test(url.protocol) && !url.username && !url.password ? url : undefined;
}
