import type { Entry, Settings } from './config/settings.js';
import type { KindDeps } from './contracts.js';
import type { Started } from './core/async.js';
import type { Kept } from './core/kept.js';
import { createDispatchers, type Dispatchers } from './wire/dispatchers.js';
import { Network, over } from './wire/network.js';
import { networkSchema } from './wire/networkSchema.js';
import { createRest } from './wire/rest.js';

/** The process's own: for everything that belongs to no destination, to which no client certificate is shown. */
export function ownNetwork({ network }: Pick<Settings, 'network'>): Network {
  return new Network(network.options, network);
}

/** The network of a destination, or of several that one credential is shown to: they say the same, and their origins join. */
export function networkOf({ network }: Pick<Settings, 'network'>, ...entries: readonly Entry[]): Network {
  const own = networkSchema.parse(entries[0]?.options.network ?? {});
  const origins = entries.flatMap(({ options: { url, urls, allowedUrls } }) =>
    [url ?? [], urls ?? [], allowedUrls ?? []].flat(),
  );
  return new Network(
    over(network.options, own),
    network,
    origins.map((each) => new URL(addressIn(each)).origin),
  );
}

/** A member of a pool may have its URL beside a weight. */
function addressIn(written: unknown): string {
  const beside = typeof written === 'object' && written !== null && 'url' in written;
  return String(beside ? written.url : written);
}

/** The network that a credential's own calls take: that of the destinations that show it. */
export function networkOfCredential(
  settings: Pick<Settings, 'network'>,
  credential: string,
  destinations: ReadonlyMap<string, Entry>,
): Network {
  return networkOf(settings, ...[...destinations.values()].filter(({ options }) => options.credential === credential));
}

export interface NetworkDeps {
  readonly kept: Kept;
  readonly started: Started;
}

/** One set of pools for all who reach their servers in the same way. */
export async function takeDispatchers(
  connectMs: number,
  network: Network,
  { kept, started }: NetworkDeps,
): Promise<Dispatchers> {
  const wish = ['dispatchers', connectMs, network.isPlain ? '' : network.key];
  const taken = await kept.take(wish, () => createDispatchers(connectMs, network));
  started.add(() => taken.release());
  return taken.value;
}

/** Control calls by that network; `plain` serves where there is nothing to it. */
export async function takeRest(
  network: Network,
  plain: KindDeps['rest'],
  { kept, started }: NetworkDeps,
): Promise<KindDeps['rest']> {
  if (network.isPlain) return plain;
  const taken = await kept.take(['rest', network.key], () => createRest({ network }));
  started.add(() => taken.release());
  return taken.value;
}
