import type { Services } from '../../../platform/services.ts';

/** A report expires after this time, so that an agent that stopped does not leave users online. */
const TTL_SECONDS = 180;

const MAX_LISTED = 100;

/** A subscription that is connected to a server, and the IP addresses it is used from. */
export interface ConnectedSubscription {
  subscriptionId: string;
  ips: string[];
}

const onlineKey = (serverId: string) => `server_online:${serverId}`;

/**
 * Replaces the connected subscriptions of a server, or adds to them: a Redis hash from subscription
 * id to addresses.
 */
export async function writeOnlineUsers(
  { redis }: Pick<Services, 'redis'>,
  {
    serverId,
    entries,
    isReplacing,
  }: { serverId: string; entries: readonly ConnectedSubscription[]; isReplacing: boolean },
): Promise<void> {
  const key = onlineKey(serverId);
  const transaction = redis.multi();
  if (isReplacing) transaction.del(key);
  if (entries.length > 0) {
    const fields = entries.map(({ subscriptionId, ips }): [string, string] => [
      subscriptionId,
      ips.join(' '),
    ]);
    transaction.hset(key, Object.fromEntries(fields)).expire(key, TTL_SECONDS);
  }
  await transaction.exec();
}

/** Addresses of those of the subscriptions that are stored as connected to a server. */
export async function readOnlineAddresses(
  { redis }: Pick<Services, 'redis'>,
  serverId: string,
  subscriptionIds: readonly string[],
): Promise<Map<string, string[]>> {
  if (subscriptionIds.length === 0) return new Map();
  const stored = await redis.hmget(onlineKey(serverId), ...subscriptionIds);
  return new Map(
    subscriptionIds.flatMap((id, index): [string, string[]][] => {
      const ips = stored[index];
      return ips == null ? [] : [[id, addressesIn(ips)]];
    }),
  );
}

const addressesIn = (stored: string): string[] => stored.split(' ').filter(Boolean);

/** Counts the connected subscriptions of a server; null if Redis is unavailable. */
export async function countOnlineUsers(
  { redis }: Pick<Services, 'redis'>,
  serverId: string,
): Promise<number | null> {
  return redis.hlen(onlineKey(serverId)).catch(() => null);
}

/** The addresses from which each subscription is used, at all of the servers together. */
export async function readAddressesEverywhere(
  { redis }: Pick<Services, 'redis'>,
  serverIds: readonly string[],
): Promise<Map<string, Set<string>>> {
  const pipeline = redis.pipeline();
  for (const id of serverIds) pipeline.hgetall(onlineKey(id));
  const replies = (await pipeline.exec()) ?? [];
  const failed = replies.find(([error]) => error !== null);
  if (failed) throw failed[0];
  const addresses = new Map<string, Set<string>>();
  for (const [id, ips] of replies.flatMap(([, stored]) => Object.entries(stored as Record<string, string>))) {
    const known = addresses.get(id) ?? new Set();
    addresses.set(id, new Set([...known, ...addressesIn(ips)]));
  }
  return addresses;
}

/** The first 100 connected subscriptions of a server by id; null if Redis is unavailable. */
export async function listOnlineUsers(
  { redis }: Pick<Services, 'redis'>,
  serverId: string,
): Promise<ConnectedSubscription[] | null> {
  const found = await redis.hgetall(onlineKey(serverId)).catch(() => null);
  if (!found) return null;
  return Object.entries(found)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .slice(0, MAX_LISTED)
    .map(([subscriptionId, ips]) => ({ subscriptionId, ips: addressesIn(ips) }));
}
