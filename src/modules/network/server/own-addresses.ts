import { addressKey } from '../../../platform/redis/rate-limit.ts';
import { clientIp, outsideRequestScope } from '../../../platform/request-scope.ts';
import type { Services } from '../../../platform/services.ts';

/** How long the addresses are cached: a new server counts as our own after this time at most. */
const CACHE_MS = 30_000;

/**
 * The addresses of our own servers and nodes. Users who are connected to one of them reach the API
 * from its address. Rate limits by address must not apply to it, because many users share it.
 */
export interface OwnAddresses {
  has(ip: string): Promise<boolean>;
}

/** The addresses are cached per process, so that checking one costs no query. */
export function createOwnAddresses({ db }: Pick<Services, 'db'>): OwnAddresses {
  let cached: { addresses: Promise<ReadonlySet<string>>; readAt: number } | undefined;
  return {
    async has(ip) {
      if (!cached || Date.now() - cached.readAt >= CACHE_MS) {
        const addresses = outsideRequestScope(() => readAddresses({ db }));
        const read = { addresses, readAt: Date.now() };
        cached = read;
        addresses.catch(() => {
          if (cached === read) cached = undefined;
        });
      }
      return (await cached.addresses).has(ip);
    },
  };
}

/**
 * The address by which the current request is rate-limited; null if it comes from one of our own
 * servers, because its users would lock each other out.
 */
export async function countedAddress({
  ownAddresses,
}: {
  ownAddresses: OwnAddresses;
}): Promise<string | null> {
  const ip = clientIp();
  return ip === null || (await ownAddresses.has(ip)) ? null : addressKey(ip);
}

async function readAddresses({ db }: Pick<Services, 'db'>): Promise<ReadonlySet<string>> {
  const [servers, nodes] = await Promise.all([
    db.server.findMany({ where: { deletedAt: null }, select: { address: true } }),
    db.node.findMany({ where: { deletedAt: null, address: { not: null } }, select: { address: true } }),
  ]);
  return new Set([...servers, ...nodes].flatMap(({ address }) => address ?? []));
}
