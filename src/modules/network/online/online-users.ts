import type { Services } from '../../../platform/services.ts';
import { deviceOf } from './online-address.ts';

/** A report expires after this time, so that an agent that stopped does not leave users online. */
export const ONLINE_TTL_SECONDS = 180;

const MAX_LISTED = 100;

/** A subscription that is connected to a server, and the IP addresses it is used from. */
export interface ConnectedSubscription {
  subscriptionId: string;
  ips: string[];
}

const onlineKey = (serverId: string) => `server_online:${serverId}`;

/** How a report changes what is stored of a server. */
export type ReportKind =
  /** It replaces everything. */
  | 'WHOLE'
  /** It adds to the parts before it. */
  | 'PART'
  /** It replaces the same subscriptions only, and removes those without addresses. */
  | 'CHANGES';

/**
 * Stores connected subscriptions of a server in a Redis hash from subscription id to addresses.
 *
 * @returns ids of the subscriptions that a whole report replaced
 */
export async function writeOnlineUsers(
  { redis }: Pick<Services, 'redis'>,
  {
    serverId,
    entries,
    kind,
  }: { serverId: string; entries: readonly ConnectedSubscription[]; kind: ReportKind },
): Promise<string[]> {
  const key = onlineKey(serverId);
  const isStored = ({ ips }: ConnectedSubscription) => kind !== 'CHANGES' || ips.length > 0;
  const transaction = redis.multi();
  if (kind === 'WHOLE') transaction.hkeys(key).del(key);
  const left = entries.filter((entry) => !isStored(entry)).map(({ subscriptionId }) => subscriptionId);
  if (left.length > 0) transaction.hdel(key, ...left);
  const fields = entries.filter(isStored).map(({ subscriptionId, ips }) => [subscriptionId, ips.join(' ')]);
  if (fields.length > 0) transaction.hset(key, Object.fromEntries(fields)).expire(key, ONLINE_TTL_SECONDS);
  const replies = (await transaction.exec()) ?? [];
  return kind === 'WHOLE' ? ((replies[0]?.[1] ?? []) as string[]) : [];
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

export const addressesIn = (stored: string): string[] => stored.split(' ').filter(Boolean);

/** Counts the connected subscriptions of a server; null if Redis is unavailable. */
export async function countOnlineUsers(
  { redis }: Pick<Services, 'redis'>,
  serverId: string,
): Promise<number | null> {
  return redis.hlen(onlineKey(serverId)).catch(() => null);
}

/** The devices of each subscription, at all of the servers together. */
export async function readDevicesEverywhere(
  { redis }: Pick<Services, 'redis'>,
  serverIds: readonly string[],
): Promise<Map<string, Set<string>>> {
  const pipeline = redis.pipeline();
  for (const id of serverIds) pipeline.hgetall(onlineKey(id));
  const replies = (await pipeline.exec()) ?? [];
  const failed = replies.find(([error]) => error !== null);
  if (failed) throw failed[0];
  const devices = new Map<string, Set<string>>();
  for (const [id, ips] of replies.flatMap(([, stored]) => Object.entries(stored as Record<string, string>))) {
    const known = devices.get(id) ?? new Set();
    devices.set(id, new Set([...known, ...addressesIn(ips).map(deviceOf)]));
  }
  return devices;
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
