import ipaddr from 'ipaddr.js';

type Network = [address: ipaddr.IPv4 | ipaddr.IPv6, bits: number];

/**
 * Who called, behind the proxies that may say so. `X-Forwarded-For` is read from its end: each trusted proxy appended
 * the address that it saw, so the first one that isn't a trusted proxy is the caller; everything before that is hearsay.
 */
export function clientAddressRule(
  trustedProxies: readonly string[],
): (socket: string, forwardedFor: string | undefined) => string {
  const trusted = trustedProxyRule(trustedProxies);
  if (trustedProxies.length === 0) return (socket) => socket;
  return (socket, forwardedFor) => {
    const hops = [...(forwardedFor?.split(',') ?? []).map((hop) => hop.trim()), socket].reverse();
    const caller = hops.find((hop) => !trusted(hop));
    return caller !== undefined && ipaddr.isValid(caller) ? caller : socket;
  };
}

/** Whether an address is that of a proxy whose word counts. */
export function trustedProxyRule(trustedProxies: readonly string[]): (address: string) => boolean {
  const networks = trustedProxies.map(parseNetwork);
  return (address) => ipaddr.isValid(address) && contains(networks, ipaddr.process(address));
}

function parseNetwork(text: string): Network {
  if (text.includes('/')) return ipaddr.parseCIDR(text);
  const address = ipaddr.process(text);
  return [address, address.kind() === 'ipv4' ? 32 : 128];
}

function contains(networks: readonly Network[], address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  return networks.some(([network, bits]) => network.kind() === address.kind() && address.match(network, bits));
}
