import { startIssuer } from '../helpers/tokenIssuer.js';
import { sendJson, startTokenServer, type Trouble } from '../helpers/tokenServer.js';
import { garbage, json, reset, startUpstream, status, type Upstream } from '../helpers/upstreamFixture.js';

/** Stands in every secret there is. It has characters that a form, a URL and a header each write differently. */
export const CANARY = 'canary:s3cr3t/+%&=';

const PAIR = Buffer.from(`canary-user:${CANARY}`).toString('base64');

/** A destination lists it, its credential doesn't. */
export const ELSEWHERE = 'https://elsewhere.example.com';

const TROUBLES: readonly Trouble[] = ['html', 'empty', 'garbage', 'no-token', 'redirect', 'limit', 'broken', 'close'];

/** The lines in which a secret shows, in any of its forms. */
export function leaksIn(text: string): string[] {
  return text.split('\n').filter((line) => line.includes('canary') || line.includes(PAIR));
}

interface Canaries {
  /** A destination for every way to succeed or fail with a secret. */
  readonly config: { readonly destinations: Readonly<Record<string, object>> };
  close(): Promise<void>;
}

/** A destination and its credential. */
interface Pair {
  readonly destination: object;
  readonly credential: object;
}

/** Upstreams and providers, well and sick, all of whose secrets are canaries. */
export async function startCanaries(): Promise<Canaries> {
  const running: { close(): Promise<void> }[] = [];
  const keep = <Thing extends { close(): Promise<void> }>(thing: Thing): Thing => {
    running.push(thing);
    return thing;
  };
  const upstreamThat = async (handler: Upstream['handler']) => keep(await startUpstream(handler));
  const issued = async (upstream: Upstream, trouble?: Trouble): Promise<Pair> => {
    const issuer = keep(await startIssuer({ label: 'canary', clientSecret: CANARY }));
    issuer.misbehave(trouble);
    const destination = { kind: 'http', url: upstream.url, allowedUrls: [ELSEWHERE] };
    return { destination, credential: issuer.credential(upstream.origin) };
  };
  const good = await upstreamThat(json({}));
  const gone = await upstreamThat(json({}));
  const troubles = await Promise.all(TROUBLES.map(async (trouble) => [trouble, await issued(good, trouble)] as const));
  const challenge = { 'www-authenticate': `Bearer realm="${CANARY}"` };
  const pairs = {
    ...writtenDown(good),
    issued: await issued(good),
    refused: await issued(await upstreamThat(status(401, challenge, CANARY))),
    forbidden: await issued(await upstreamThat(status(403, challenge, CANARY))),
    resetting: await issued(await upstreamThat(reset())),
    babbling: await issued(await upstreamThat(garbage())),
    gone: await issued(gone),
    parrot: atParrot(good, keep(await startParrot()).tokenUrl),
    ...Object.fromEntries(troubles),
  };
  await gone.close();
  const website = await upstreamThat(status(200));
  return {
    config: configure(pairs, website),
    close: async () => {
      for (const each of running) await each.close();
    },
  };
}

/** Repeats what it was shown, as some providers do. */
function startParrot() {
  return startTokenServer({
    tokenPath: '/token',
    handler:
      () =>
      (_request, response, { body }) =>
        sendJson(response, 400, { error: 'invalid_request', error_description: body }),
  });
}

function atParrot(upstream: Upstream, tokenUrl: string): Pair {
  const client = { clientId: 'jobs', clientSecret: CANARY, origins: [upstream.origin] };
  return {
    destination: { kind: 'http', url: upstream.url },
    credential: { kind: 'client-credentials', tokenUrl, ...client },
  };
}

function writtenDown(upstream: Upstream): Record<string, Pair> {
  const pair = (given: object) => ({
    destination: { kind: 'http', url: upstream.url },
    credential: { kind: 'static', origins: [upstream.origin], ...given },
  });
  return {
    token: pair({ token: CANARY }),
    header: pair({ header: 'x-api-key', value: CANARY }),
    basic: pair({ username: 'canary-user', password: CANARY }),
  };
}

function configure(pairs: Readonly<Record<string, Pair>>, website: Upstream) {
  const entries = Object.entries(pairs);
  const destinations = entries.map(([name, { destination }]) => [name, { ...destination, credential: name }]);
  return {
    server: { passthrough: 'web' },
    resilience: { retry: { attempts: 2, baseMs: 1 } },
    destinations: { ...Object.fromEntries(destinations), web: { kind: 'web', url: website.origin } },
    credentials: Object.fromEntries(entries.map(([name, { credential }]) => [name, credential])),
  };
}
