import type { Fault } from '../core/errors.js';
import { isLoopbackHost } from '../wire/loopback.js';
import { entriesOf } from './entries.js';
import { type Branch, faultAt, find, isBranch, isLeaf, type Leaf, type Place, textAt } from './tree.js';

/** The options whose URLs see a credential, or the secret that a token is fetched with. */
const URLS = [
  'url',
  'urls',
  'allowedUrls',
  'tokenUrl',
  'authorizeUrl',
  'deviceUrl',
  'tenant',
  'origins',
  'endpoint',
  'authority',
];
/** The options that have such URLs themselves. */
const INNER = ['actor', 'identityProvider'];
/** Those in whose options `issuer` is an address that is asked, not a mere name. */
const ASKS_ISSUER = new Set(['authorization-code', 'device-code', 'refresh-token']);

/** The places from where a credential would cross a network as plain text: only an operator can know whether it may. */
export async function checkPlainHttp(config: Branch): Promise<Fault[]> {
  const destinations = entriesOf(config, 'destinations').filter(([, entry]) => showsCredential(entry));
  const faults = new Map<string, Fault>();
  for (const [, entry] of [...destinations, ...entriesOf(config, 'credentials'), ...entriesOf(config, 'secrets')]) {
    // One line of a client's entry is a destination's URL and a credential's origin: told once.
    for (const fault of [...checkUrls(entry), ...(await checkKeyFile(entry))])
      faults.set(`${fault.file}:${fault.path}`, fault);
  }
  return [...faults.values(), ...checkCollector(config)];
}

/** What the collector of traces is shown may be a key. */
function checkCollector(config: Branch): Fault[] {
  const traces = find(config, ['telemetry', 'traces']);
  const headers = isBranch(traces) ? traces.entries.get('headers') : undefined;
  return isBranch(traces) && isBranch(headers) && headers.entries.size > 0 ? checkOwnUrls(traces) : [];
}

/** The same for what stands in the file of a service key. One that can't be read has its own fault. */
export async function checkKeyFile(entry: Branch): Promise<Fault[]> {
  const file = entry.entries.get('file');
  if (!isServiceKey(entry) || !isLeaf(file) || typeof file.value !== 'string') return [];
  // Bytes that only users of service keys load.
  const { ServiceKeyFile } = await import('../credentials/serviceKeyFile.js');
  const key = await new ServiceKeyFile(file.value, entry.place.baseDir).read().catch(() => undefined);
  const namesService = entry.entries.has('url') || entry.entries.has('origins');
  const seen = [key?.tokenUrl, key?.destinationUri, namesService ? undefined : key?.serviceUrl];
  return seen.flatMap((url) => checkUrl(file.place, url?.href));
}

function showsCredential(entry: Branch): boolean {
  return entry.entries.has('credential') || isServiceKey(entry);
}

function isServiceKey(entry: Branch): boolean {
  const kind = textAt(entry, 'kind');
  return kind === 'service-key' || kind === 'btp-destination';
}

/** The same for one entry's own options. */
export function checkUrls(entry: Branch): Fault[] {
  const inner = INNER.map((option) => entry.entries.get(option)).filter(isBranch);
  return [entry, ...inner].flatMap(checkOwnUrls);
}

function checkOwnUrls(entry: Branch): Fault[] {
  const urls = ASKS_ISSUER.has(textAt(entry, 'kind') ?? '') ? [...URLS, 'issuer'] : URLS;
  return urls.flatMap((option) => leavesOf(entry, option)).flatMap(({ place, value }) => checkUrl(place, value));
}

function leavesOf(entry: Branch, option: string): Leaf[] {
  const value = entry.entries.get(option);
  if (value === undefined || isBranch(value)) return [];
  const items = isLeaf(value) ? [value] : value.items;
  // A member of a pool may have its URL beside a weight.
  return items.flatMap((item) => (isBranch(item) ? (item.entries.get('url') ?? []) : item)).filter(isLeaf);
}

function checkUrl(place: Place, value: unknown): Fault[] {
  if (typeof value !== 'string' || !URL.canParse(value)) return [];
  const { protocol, hostname, origin } = new URL(value);
  if (protocol !== 'http:' || isLoopbackHost(hostname)) return [];
  const hint = 'Use https, or say --allow-http where everybody on that network may see it.';
  return [faultAt(place, `a credential would travel to ${origin} unencrypted`, hint)];
}
