import type { Services } from '../../../platform/services.ts';

/** A server that has not said it again for so long is not believed any more. */
const KEEP_SECONDS = 180;

const MOST_SHOWN = 100;

/** A subscription that is connected, and the addresses it is used from. */
export interface OnlineUser {
  subscriptionId: string;
  ips: string[];
}

const onlineKey = (serverId: string) => `server_online:${serverId}`;

/** Who is connected to a server: a hash of addresses by subscription, replaced as a whole. */
export async function writeOnlineUsers(
  { redis }: Pick<Services, 'redis'>,
  { serverId, entries }: { serverId: string; entries: readonly OnlineUser[] },
): Promise<void> {
  const key = onlineKey(serverId);
  const change = redis.multi().del(key);
  if (entries.length > 0) {
    const fields = entries.map(({ subscriptionId, ips }): [string, string] => [
      subscriptionId,
      ips.join(' '),
    ]);
    change.hset(key, Object.fromEntries(fields)).expire(key, KEEP_SECONDS);
  }
  await change.exec();
}

/** How many are connected to a server; null when Redis does not say. */
export async function countOnlineUsers(
  { redis }: Pick<Services, 'redis'>,
  serverId: string,
): Promise<number | null> {
  return redis.hlen(onlineKey(serverId)).catch(() => null);
}

/** Who is connected to a server and from where, the first hundred by id; null when Redis does not say. */
export async function listOnlineUsers(
  { redis }: Pick<Services, 'redis'>,
  serverId: string,
): Promise<OnlineUser[] | null> {
  const found = await redis.hgetall(onlineKey(serverId)).catch(() => null);
  if (!found) return null;
  return Object.entries(found)
    .sort(([one], [other]) => (one < other ? -1 : 1))
    .slice(0, MOST_SHOWN)
    .map(([subscriptionId, ips]) => ({ subscriptionId, ips: ips.split(' ').filter(Boolean) }));
}
