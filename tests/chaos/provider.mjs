/**
 * A token endpoint in a process of its own: client credentials, and refresh tokens that rotate. `provider.mjs <port> <folder> <secret> <ms that a token lives>`.
 * What it gave out is in `grants.json`, each request in `provider.jsonl`, so that a killed one that comes back knows both.
 */
import { randomUUID } from 'node:crypto';
import fs from 'node:fs';
import http from 'node:http';
import path from 'node:path';
import { issueToken } from './tokens.mjs';

const [port, folder, secret, lifetimeMs] = process.argv.slice(2);
const LIFETIME_MS = Number(lifetimeMs);
const GRANTS = path.join(folder, 'grants.json');

const server = http.createServer((request, response) => {
  const chunks = [];
  request.on('data', (chunk) => chunks.push(chunk));
  request.on('end', () => {
    const [status, body] = answer(new URLSearchParams(Buffer.concat(chunks).toString()));
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
});

function answer(form) {
  const grant = form.get('grant_type');
  const shown = form.get('refresh_token');
  if (form.get('client_secret') !== `${secret}-client`) return [401, { error: 'invalid_client' }];
  const refreshToken = grant === 'refresh_token' ? rotate(shown) : undefined;
  const refused = grant === 'refresh_token' && refreshToken === undefined;
  const token = issueToken(secret, LIFETIME_MS);
  write({ grant, shown, refused, token, refreshToken });
  if (refused) return [400, { error: 'invalid_grant' }];
  const fresh = { access_token: token, token_type: 'Bearer', expires_in: LIFETIME_MS / 1000 };
  return [200, refreshToken === undefined ? fresh : { ...fresh, refresh_token: refreshToken }];
}

/** The next one of its line. The one before serves until its successor is shown: a client may die before it has read that. */
function rotate(shown) {
  const grants = fs.existsSync(GRANTS) ? JSON.parse(fs.readFileSync(GRANTS, 'utf8')) : {};
  const line = Object.keys(grants).find((name) => grants[name].includes(shown)) ?? firstOf(shown);
  if (line === undefined) return undefined;
  const next = `rt.${randomUUID()}`;
  grants[line] = [shown, next];
  fs.writeFileSync(`${GRANTS}.new`, JSON.stringify(grants));
  fs.renameSync(`${GRANTS}.new`, GRANTS);
  return next;
}

/** What an operator wrote down begins a line, once. */
function firstOf(shown) {
  const begun = fs.existsSync(GRANTS) ? JSON.parse(fs.readFileSync(GRANTS, 'utf8')) : {};
  const name = new RegExp(`^first\\.${secret}\\.(\\w+)$`).exec(shown ?? '')?.[1];
  return name !== undefined && !(name in begun) ? name : undefined;
}

function write(entry) {
  fs.appendFileSync(path.join(folder, 'provider.jsonl'), `${JSON.stringify({ at: Date.now(), ...entry })}\n`);
}

process.on('disconnect', () => process.exit());
server.listen(Number(port), '127.0.0.1');
