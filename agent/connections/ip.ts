import { isIPv6, SocketAddress } from 'node:net';

const MAPPED = /^::ffff:([\d.]+)$/;

/** One spelling for each address; IPv4 addresses of IPv6 sockets as IPv4. */
export function canonicalIp(ip: string): string {
  if (!isIPv6(ip)) return ip;
  const { address } = new SocketAddress({ address: ip, family: 'ipv6' });
  return MAPPED.exec(address)?.[1] ?? address;
}
