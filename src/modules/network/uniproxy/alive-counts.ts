import { LocalCache } from '../../../platform/local-cache.ts';
import type { Services } from '../../../platform/services.ts';
import { readDevicesEverywhere } from '../online/online-users.ts';

/** Programs ask every minute; there may be hundreds of them. */
const LIMITS = { maxAgeMs: 5_000, entries: 1, bytes: 0 };

/** Reads how many devices of each user are connected, by number. */
export type AliveCounts = () => Promise<Record<number, number>>;

/**
 * Call once per process. Counts devices at all servers together, so that a program can apply the
 * device limit of a user who is connected elsewhere as well.
 */
export function createAliveCounts(services: Pick<Services, 'db' | 'redis'>): AliveCounts {
  const cache = new LocalCache<Record<number, number>>(LIMITS);
  return () => cache.read('', () => readCounts(services));
}

/** Only subscriptions that a program knows have a number. */
async function readCounts({ db, redis }: Pick<Services, 'db' | 'redis'>): Promise<Record<number, number>> {
  const servers = await db.server.findMany({ where: { deletedAt: null }, select: { id: true } });
  const devices = await readDevicesEverywhere(
    { redis },
    servers.map(({ id }) => id),
  );
  const numbers = await db.$queryRaw<{ number: number; subscriptionId: string }[]>`
    SELECT number, subscription_id::text AS "subscriptionId" FROM subscription_numbers
    WHERE subscription_id = ANY(${[...devices.keys()]}::uuid[])`;
  return Object.fromEntries(
    numbers.map(({ number, subscriptionId }) => [number, devices.get(subscriptionId)?.size ?? 0]),
  );
}
