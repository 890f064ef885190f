import { addressKey } from '../../../platform/redis/rate-limit.ts';
import { clientIp, outsideRequestScope } from '../../../platform/request-scope.ts';
import type { Services } from '../../../platform/services.ts';

/** A new server is known after this time. */
const KEEP_MS = 30_000;

const known = new WeakMap<object, { addresses: Promise<ReadonlySet<string>>; readAt: number }>();

/** Whether the address is that of one of our own servers, or of a node on it: many users share it. */
export async function isOurServer({ db }: Pick<Services, 'db'>, ip: string): Promise<boolean> {
  const cached = known.get(db);
  if (cached && Date.now() - cached.readAt < KEEP_MS) return (await cached.addresses).has(ip);
  const addresses = outsideRequestScope(() => readAddresses({ db }));
  known.set(db, { addresses, readAt: Date.now() });
  addresses.catch(() => known.delete(db));
  return (await addresses).has(ip);
}

/**
 * The address of the request, as what it has done is counted by; null when it comes by way of one of our own servers:
 * those who share it must not lock each other out.
 */
export async function countedAddress(services: Pick<Services, 'db'>): Promise<string | null> {
  const ip = clientIp();
  return ip === null || (await isOurServer(services, ip)) ? null : addressKey(ip);
}

async function readAddresses({ db }: Pick<Services, 'db'>): Promise<ReadonlySet<string>> {
  const [servers, nodes] = await Promise.all([
    db.server.findMany({ where: { deletedAt: null }, select: { address: true } }),
    db.node.findMany({ where: { deletedAt: null, address: { not: null } }, select: { address: true } }),
  ]);
  return new Set([...servers, ...nodes].flatMap(({ address }) => address ?? []));
}
