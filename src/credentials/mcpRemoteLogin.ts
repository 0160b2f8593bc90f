import fs from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import type { OAuthDocument, OAuthMemory } from './oauthDocument.js';

/** Files of mcp-remote are small. Bytes. */
const MOST_BYTES = 64 * 1024;
const MOST_FOLDERS = 100;

/** `expires_at` is of its newer versions. */
const tokens = z.looseObject({
  access_token: z.string(),
  token_type: z.string(),
  refresh_token: z.string(),
  scope: z.string().optional(),
  expires_in: z.number().optional(),
  expires_at: z.number().optional(),
});
const client = z.looseObject({ client_id: z.string(), redirect_uris: z.array(z.string()).optional() });

type Found = { readonly folder: string; readonly writtenAt: number; readonly tokens: z.infer<typeof tokens> };

/**
 * Where nothing was ever kept for the server, and mcp-remote can renew its login there, that is taken over: read, never
 * written. `hash`: its name for the server.
 */
export async function takeOver(memory: OAuthMemory, from: { folder: string; hash: string }): Promise<void> {
  if (await memory.kept()) return;
  const found = await newest(from);
  if (!found) return;
  const registered = await readJson(path.join(found.folder, `${from.hash}_client_info.json`), client);
  const redirectUri = registered?.value.redirect_uris?.[0];
  await memory.alone(new AbortController().signal, async () => {
    if (await memory.kept()) return;
    const document: OAuthDocument = { ...(await memory.read()), tokens: kept(found) };
    if (registered && redirectUri)
      await memory.write({ ...document, client: { information: registered.value, redirectUri } });
    else await memory.write(document);
  });
}

/** Both layouts: a folder for each version, and since then `mcp-remote-v1` for all. */
async function newest({ folder, hash }: { folder: string; hash: string }): Promise<Found | undefined> {
  const names = await fs.readdir(folder).catch(() => []);
  const found: Found[] = [];
  for (const name of names.filter((each) => each.startsWith('mcp-remote-')).slice(0, MOST_FOLDERS)) {
    const read = await readJson(path.join(folder, name, `${hash}_tokens.json`), tokens);
    if (read) found.push({ folder: path.join(folder, name), writtenAt: read.writtenAt, tokens: read.value });
  }
  return found.sort((one, other) => other.writtenAt - one.writtenAt)[0];
}

function kept({ tokens: { expires_at: at, ...said }, writtenAt }: Found): OAuthDocument['tokens'] {
  const life = said.expires_in === undefined ? undefined : writtenAt + said.expires_in * 1000;
  const expiresAt = at === undefined ? life : epochMs(at);
  return { ...said, obtainedAt: writtenAt, ...(expiresAt === undefined ? {} : { expiresAt }) };
}

/** Seconds, or milliseconds: no token of today ended before 2001. */
function epochMs(at: number): number {
  return at > 1e12 ? at : at * 1000;
}

async function readJson<Value>(
  file: string,
  shape: z.ZodType<Value>,
): Promise<{ readonly value: Value; readonly writtenAt: number } | undefined> {
  try {
    const { size, mtimeMs } = await fs.stat(file);
    if (size > MOST_BYTES) return undefined;
    const { data } = shape.safeParse(JSON.parse(await fs.readFile(file, 'utf8')));
    return data === undefined ? undefined : { value: data, writtenAt: Math.round(mtimeMs) };
  } catch {
    return undefined;
  }
}
