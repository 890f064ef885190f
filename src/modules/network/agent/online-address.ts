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
