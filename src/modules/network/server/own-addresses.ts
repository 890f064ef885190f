import { Resolver } from 'node:dns/promises';
import { isIP, isIPv6, SocketAddress } from 'node:net';
import { addressKey, ownAddressKey } from '../../../platform/redis/rate-limit.ts';
import { clientIp, outsideRequestScope } from '../../../platform/request-scope.ts';
import type { Services } from '../../../platform/services.ts';

/** How long the addresses are cached: a new server counts as our own after this time at most. */
const CACHE_MS = 30_000;

/**
 * The addresses of our own servers and nodes. Users who are connected to one of them reach the API
 * from its address. Rate limits by address are higher for it, because many users share it.
 */
export interface OwnAddresses {
  has(ip: string): Promise<boolean>;
}

/** The addresses are cached per process, so that checking one costs no query. */
export function createOwnAddresses(
  { db }: Pick<Services, 'db'>,
  { resolve = addressesOf }: { resolve?: (name: string) => Promise<string[]> } = {},
): OwnAddresses {
  const resolved = new Map<string, readonly string[]>();
  let cached: { addresses: Promise<ReadonlySet<string>>; readAt: number } | undefined;
  return {
    async has(ip) {
      if (!cached || Date.now() - cached.readAt >= CACHE_MS) {
        const addresses = outsideRequestScope(() => readAddresses({ db }, { resolved, resolve }));
        const read = { addresses, readAt: Date.now() };
        cached = read;
        addresses.catch(() => {
          if (cached === read) cached = undefined;
        });
      }
      return (await cached.addresses).has(spelling(ip));
    },
  };
}

/**
 * The key by which the current request is rate-limited; null outside a request. Limits are ten
 * times as high for our own servers, whose users would otherwise lock each other out.
 */
export async function countedAddress({
  ownAddresses,
}: {
  ownAddresses: OwnAddresses;
}): Promise<string | null> {
  const ip = clientIp();
  // Empty in a job.
  if (!ip) return null;
  return (await ownAddresses.has(ip)) ? ownAddressKey(ip) : addressKey(ip);
}

/** @param resolved the last known addresses of host names; updated in the background */
async function readAddresses(
  { db }: Pick<Services, 'db'>,
  {
    resolved,
    resolve,
  }: { resolved: Map<string, readonly string[]>; resolve: (name: string) => Promise<string[]> },
): Promise<ReadonlySet<string>> {
  const [servers, nodes] = await Promise.all([
    db.server.findMany({ where: { deletedAt: null }, select: { address: true } }),
    db.node.findMany({ where: { deletedAt: null, address: { not: null } }, select: { address: true } }),
  ]);
  const hosts = [...servers, ...nodes].flatMap(({ address }) => address?.replace(/^\[(.*)\]$/, '$1') ?? []);
  const names = new Set(hosts.filter((host) => isIP(host) === 0));
  const addresses = new Set(hosts.filter((host) => isIP(host) !== 0).map(spelling));
  for (const name of resolved.keys()) if (!names.has(name)) resolved.delete(name);
  for (const found of resolved.values()) for (const address of found) addresses.add(address);
  // No request waits for a name server.
  for (const name of names) {
    void resolve(name).then((found) => {
      if (found.length > 0) resolved.set(name, found.map(spelling));
      for (const address of found) addresses.add(spelling(address));
    });
  }
  return addresses;
}

/** The addresses of a host name; none if it cannot be resolved. */
async function addressesOf(name: string): Promise<string[]> {
  const found = await Promise.allSettled([resolver.resolve4(name), resolver.resolve6(name)]);
  return found.flatMap((outcome) => (outcome.status === 'fulfilled' ? outcome.value : []));
}

/** With its own timeout and threads: a slow name server must not delay anything else. */
const resolver = new Resolver({ timeout: 500, tries: 1 });

/** One spelling for all of an address: compressed, in lower case, IPv4-mapped ones as IPv4. */
function spelling(ip: string): string {
  const { address } = new SocketAddress({
    address: ip.replace(/%.*$/, ''),
    family: isIPv6(ip) ? 'ipv6' : 'ipv4',
  });
  return address.replace(/^::ffff:(?=\d+\.)/, '');
}
