import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Provider, Trouble } from '../helpers/tokenServer.js';
import { garbage, json, reset, type Seen, startUpstream, status, type Upstream } from '../helpers/upstreamFixture.js';
import { CANARY, CANARY_KINDS, type CanaryCredential, type CanaryPlace } from './canaryKinds.js';

export { CANARY } from './canaryKinds.js';

/** A destination lists it, its credential doesn't. */
export const ELSEWHERE = 'https://elsewhere.example.com';

const TROUBLES: readonly Trouble[] = ['html', 'empty', 'garbage', 'no-token', 'redirect', 'limit', 'broken', 'close'];

export interface Canaries {
  /** A destination for every way to succeed or fail with a secret. */
  readonly config: { readonly server: object; readonly destinations: Readonly<Record<string, object>> };
  /** Those whose calls succeed. */
  readonly served: readonly string[];
  /** The lines in which a secret shows, in any of its forms; what was proven to a provider or a server is one, too. */
  leaksIn(text: string): string[];
  close(): Promise<void>;
}

/** A destination and its credential. */
interface Pair {
  readonly destination: object;
  readonly credential: object;
}

/** Upstreams and providers, well and sick, all of whose secrets are canaries. */
export async function startCanaries(): Promise<Canaries> {
  const world = new World(await mkdtemp(path.join(tmpdir(), 'canaries-')));
  const good = await world.upstream(json({}));
  const gone = await world.upstream(json({}));
  const pairs: Record<string, Pair> = {};
  for (const kind of Object.keys(CANARY_KINDS)) {
    const provided = await world.pair(kind, good);
    pairs[kind] = provided.pair;
    if (!provided.provider) continue;
    for (const trouble of TROUBLES) pairs[`${kind}-${trouble}`] = (await world.pair(kind, good, { trouble })).pair;
    pairs[`${kind}-echo`] = (await world.pair(kind, good, { echo: true })).pair;
  }
  const sick = await sickUpstreams(world);
  for (const [name, upstream] of Object.entries({ ...sick, gone }))
    pairs[name] = (await world.pair('secret-in-form', upstream)).pair;
  await gone.close();
  const website = await world.upstream(status(200));
  return {
    config: configure(pairs, website),
    served: [...Object.keys(CANARY_KINDS), 'redirecting', 'website'],
    leaksIn: (text) => world.leaksIn(text),
    close: () => world.close(),
  };
}

async function sickUpstreams(world: World): Promise<Record<string, Upstream>> {
  const challenge = { 'www-authenticate': `Bearer realm="${CANARY}"` };
  const echo = (code: number) => (seen: Seen, response: Parameters<Upstream['handler']>[1]) => {
    const shown = seen.header('authorization') ?? '';
    response.writeHead(code, { 'www-authenticate': `Bearer error_description="${shown.replaceAll('"', '')}"` });
    response.end(`who is ${shown}?`);
  };
  return {
    refused: await world.upstream(status(401, challenge, CANARY)),
    forbidden: await world.upstream(status(403, challenge, CANARY)),
    'echo-401': await world.upstream(echo(401)),
    'echo-403': await world.upstream(echo(403)),
    redirecting: await world.upstream(status(307, { location: `${ELSEWHERE}/mcp` })),
    resetting: await world.upstream(reset()),
    babbling: await world.upstream(garbage()),
  };
}

interface Wish {
  readonly trouble?: Trouble;
  readonly echo?: boolean;
}

/** What was started, and every secret that it has or was shown. */
class World {
  readonly #folder: string;
  readonly #running: { close(): Promise<void> }[] = [];
  readonly #credentials: CanaryCredential[] = [];
  readonly #upstreams: Upstream[] = [];

  constructor(folder: string) {
    this.#folder = folder;
  }

  async upstream(handler: Upstream['handler']): Promise<Upstream> {
    const upstream = await startUpstream(handler);
    this.#running.push(upstream);
    this.#upstreams.push(upstream);
    return upstream;
  }

  async pair(kind: string, upstream: Upstream, { trouble, echo = false }: Wish = {}) {
    const place: CanaryPlace = { origins: [upstream.origin], folder: this.#folder, echo };
    const made = await (CANARY_KINDS[kind] as (typeof CANARY_KINDS)[string])(place);
    this.#credentials.push(made);
    if (made.provider) this.#running.push(made.provider);
    made.provider?.misbehave(trouble);
    const destination = { kind: 'http', url: upstream.url, allowedUrls: [ELSEWHERE], ...made.destination };
    return { pair: { destination, credential: made.credential }, provider: made.provider };
  }

  leaksIn(text: string): string[] {
    const secrets = this.#secrets();
    return text.split('\n').filter((line) => secrets.some((secret) => line.includes(secret)));
  }

  async close(): Promise<void> {
    for (const each of this.#running) await each.close();
    await rm(this.#folder, { recursive: true, force: true });
  }

  #secrets(): string[] {
    const own = this.#credentials.flatMap(({ secrets = [], provider }) => [...secrets, ...assertionsAt(provider)]);
    const seen = this.#upstreams.flatMap(({ requests }) => requests.flatMap(shownIn));
    return [...new Set(['canary', ...own, ...seen])];
  }
}

function assertionsAt(provider: Provider | undefined): string[] {
  return (provider?.requests ?? []).flatMap(({ body }) => new URLSearchParams(body).get('client_assertion') ?? []);
}

function shownIn(seen: Seen): string[] {
  const [, shown] = (seen.header('authorization') ?? '').split(' ');
  return shown === undefined || shown === '' ? [] : [shown];
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
