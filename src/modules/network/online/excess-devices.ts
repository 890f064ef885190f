import type { Services } from '../../../platform/services.ts';
import type { WatchKind } from '../../../platform/watch/watch-kind.ts';
import { SERVER_DEVICES_CHANGED } from '../../kernel/topics.ts';
import { addressesIn, type ConnectedSubscription, ONLINE_TTL_SECONDS } from './online-users.ts';

/** How often agents are given changes whose wake-up was lost. */
const POLL_MS = 10_000;

const MAX_LISTED = 1_000;

const keyOf = (serverId: string) => `server_excess:${serverId}`;

/**
 * Stores which addresses servers have to disconnect: a Redis hash per server, from subscription id
 * to the time (ms) at which the entry expires and its addresses.
 */
export async function storeExcess(
  { redis }: Pick<Services, 'redis'>,
  lists: readonly (ConnectedSubscription & { serverId: string })[],
): Promise<void> {
  if (lists.length === 0) return;
  const expiresAt = Date.now() + ONLINE_TTL_SECONDS * 1_000;
  const pipeline = redis.pipeline();
  for (const { serverId, subscriptionId, ips } of lists) {
    const key = keyOf(serverId);
    if (ips.length === 0) pipeline.hdel(key, subscriptionId);
    else pipeline.hset(key, subscriptionId, [expiresAt, ...ips].join(' ')).expire(key, ONLINE_TTL_SECONDS);
  }
  const failed = ((await pipeline.exec()) ?? []).find(([error]) => error !== null);
  if (failed) throw failed[0];
}

/** The first 1,000 subscriptions by id of which a server has to disconnect addresses. */
export async function readExcess(
  { redis }: Pick<Services, 'redis'>,
  serverId: string,
): Promise<ConnectedSubscription[]> {
  const stored = Object.entries(await redis.hgetall(keyOf(serverId))).map(([subscriptionId, value]) => {
    const [expiresAt, ...ips] = addressesIn(value);
    return { subscriptionId, ips, isExpired: Number(expiresAt) < Date.now() };
  });
  const expired = stored.filter(({ isExpired }) => isExpired).map(({ subscriptionId }) => subscriptionId);
  if (expired.length > 0) await redis.hdel(keyOf(serverId), ...expired);
  return stored
    .filter(({ isExpired }) => !isExpired)
    .map(({ subscriptionId, ips }) => ({ subscriptionId, ips: ips.sort() }))
    .sort((one, other) => (one.subscriptionId < other.subscriptionId ? -1 : 1))
    .slice(0, MAX_LISTED);
}

/** Lists of addresses to disconnect, which agents watch. Ids are server ids. */
export const watchedExcess = (services: Pick<Services, 'redis' | 'watcher'>): WatchKind =>
  services.watcher.kind({
    topic: SERVER_DEVICES_CHANGED,
    pollMs: POLL_MS,
    fingerprints: async (ids) =>
      new Map(
        await Promise.all(
          ids.map(
            async (id): Promise<[string, string]> => [id, JSON.stringify(await readExcess(services, id))],
          ),
        ),
      ),
  });

/**
 * Streams which addresses a server has to disconnect: the whole list, then again whenever it
 * changes.
 */
export const watchExcess = (
  services: Pick<Services, 'redis'> & { watchedExcess: WatchKind },
  { serverId }: { serverId: string },
) => services.watchedExcess.open(serverId, () => readExcess(services, serverId));
