import { lookup as dnsLookup, type LookupAddress, type LookupAllOptions } from 'node:dns';
import { isIP, type LookupFunction } from 'node:net';
import ipaddr from 'ipaddr.js';
import { GatewayError } from '../core/errors.js';

/**
 * True for an address of the public internet: not private, loopback, link-local, carrier-grade NAT, multicast,
 * documentation or any other special range, and not one of those in an IPv4-mapped or NAT64 disguise.
 */
export function isPublicAddress(address: string): boolean {
  return ipaddr.isValid(address) && ipaddr.process(address).range() === 'unicast';
}

/**
 * Refuses a URL whose host is written as an address that isn't public. Names are judged by `publicLookup`, when they
 * are resolved: a check before that could be undone by a second, different answer (DNS rebinding).
 * @throws GatewayError ADDRESS_NOT_ALLOWED
 */
export function assertPublicHost(url: URL): void {
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0 && !isPublicAddress(host)) throw refused(host);
}

/** `dns.lookup` for sockets that may reach public addresses only. One bad address among several spoils the name. */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  const all: LookupAllOptions = {
    ...options,
    all: true,
    family: options.family === 'IPv4' ? 4 : options.family === 'IPv6' ? 6 : (options.family ?? 0),
  };
  dnsLookup(hostname, all, (error, addresses) => {
    if (error) return callback(error, '', 0);
    const bad = addresses.find(({ address }) => !isPublicAddress(address));
    if (bad) return callback(refused(hostname), '', 0);
    if (options.all) return callback(null, addresses);
    const first = addresses[0] as LookupAddress;
    callback(null, first.address, first.family);
  });
};

function refused(host: string): GatewayError {
  return new GatewayError('ADDRESS_NOT_ALLOWED', `${host} is not a public address`);
}
