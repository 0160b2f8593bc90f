import { createHmac, randomUUID } from 'node:crypto';

/** Access tokens that whoever has `secret` can check, so that neither provider nor servers lose any by being killed. */
export function issueToken(secret, lifetimeMs) {
  const now = Date.now();
  const said = Buffer.from(JSON.stringify({ id: randomUUID(), since: now, until: now + lifetimeMs })).toString(
    'base64url',
  );
  return `at.${said}.${sign(secret, said)}`;
}

/** When it was issued, in epoch milliseconds; undefined where it isn't one, or serves no more. */
export function sinceOf(secret, token) {
  const [, said, signature] = /^at\.([\w-]+)\.([\w-]+)$/.exec(token) ?? [];
  if (said === undefined || signature !== sign(secret, said)) return undefined;
  const { since, until } = JSON.parse(Buffer.from(said, 'base64url').toString());
  return Date.now() < until ? since : undefined;
}

function sign(secret, said) {
  return createHmac('sha256', secret).update(said).digest('base64url');
}
