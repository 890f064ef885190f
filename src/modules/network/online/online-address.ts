import { isIP, SocketAddress } from 'node:net';

/** `[::1]`, `[::1]:443`, or an address without brackets; the port is dropped. */
const BRACKETED = /^\[([^[\]]+)\](?::\d{1,5})?$/;
const IPV4_WITH_PORT = /^([\d.]+):\d{1,5}$/;
const IPV4_MAPPED = /^::ffff:([\d.]+)$/;

/**
 * The canonical form of an address as node programs write it: with a port, brackets or a zone, or
 * as an IPv4 address in an IPv6 socket.
 *
 * @returns null if it contains no IP address
 */
export function onlineAddress(text: string): string | null {
  const trimmed = text.trim();
  const host = BRACKETED.exec(trimmed)?.[1] ?? IPV4_WITH_PORT.exec(trimmed)?.[1] ?? trimmed;
  const [address = ''] = host.split('%');
  const version = isIP(address);
  if (version !== 6) return version === 4 ? address : null;
  const canonical = new SocketAddress({ address, family: 'ipv6' }).address;
  return IPV4_MAPPED.exec(canonical)?.[1] ?? canonical;
}

/** Parts of a /64 network: what a provider assigns to one line. */
const NETWORK_PARTS = 4;

/**
 * The device of an address: an IPv4 address, or the /64 network of an IPv6 address, in which
 * devices change their addresses themselves.
 *
 * @param address in the form of `onlineAddress`
 */
export function deviceOf(address: string): string {
  if (isIP(address) !== 6) return address;
  const [head = '', tail] = address.split('::');
  const before = head === '' ? [] : head.split(':');
  const after = tail === undefined || tail === '' ? [] : tail.split(':');
  const zeros = tail === undefined ? 0 : 8 - before.length - after.length;
  const parts = [...before, ...Array<string>(Math.max(0, zeros)).fill('0'), ...after];
  return `${parts.slice(0, NETWORK_PARTS).join(':')}::/64`;
}
