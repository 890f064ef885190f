import type { SiteSettings } from '../../../generated/prisma/client.ts';
import { SECOND_MS } from '../../../platform/database/clock.ts';
import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { LIMIT_DEVICES } from './device-script.ts';
import { storeExcess } from './excess-devices.ts';
import { deviceOf } from './online-address.ts';
import { type ConnectedSubscription, ONLINE_TTL_SECONDS } from './online-users.ts';

/** A subscription whose devices are counted. */
export interface LimitedSubscription extends ConnectedSubscription {
  /** Most devices at all servers together; null for the limit of the report before. */
  limit: number | null;
}

/** Scripts block Redis while they run. */
const SUBSCRIPTIONS_PER_CALL = 200;

const keyOf = (subscriptionId: string) => `subscription_devices:${subscriptionId}`;

/** The addresses in excess at this server, and the lists of servers where they have changed. */
type Reply = [string[], ...[serverId: string, addresses: string[]][]];

/**
 * Replaces what a server reports of each of the subscriptions, and finds the devices above their
 * limits at all servers together. Other servers that have to disconnect some are woken.
 *
 * @returns what this server has to disconnect
 * @throws RedisUnavailableError
 */
export async function limitDevices(
  services: Pick<Services, 'redis' | 'pubSub'>,
  {
    serverId,
    site,
    subscriptions,
  }: {
    serverId: string;
    site: Pick<SiteSettings, 'excessDevices' | 'roamingSeconds'>;
    subscriptions: readonly LimitedSubscription[];
  },
): Promise<ConnectedSubscription[]> {
  const exceeded: ConnectedSubscription[] = [];
  const woken = new Set<string>();
  for (let start = 0; start < subscriptions.length; start += SUBSCRIPTIONS_PER_CALL) {
    const part = subscriptions.slice(start, start + SUBSCRIPTIONS_PER_CALL);
    const replies = await runScript(services, { serverId, site, part });
    const lists = replies.flatMap(([own, ...changed], place) => {
      const { subscriptionId } = part[place] as LimitedSubscription;
      if (own.length > 0) exceeded.push({ subscriptionId, ips: own });
      // Lists expire unless they are stored again.
      const stored: [string, string[]][] = own.length > 0 ? [...changed, [serverId, own]] : changed;
      return stored.map(([id, ips]) => ({ serverId: id, subscriptionId, ips }));
    });
    await storeExcess(services, lists);
    for (const [, ...changed] of replies) for (const [id] of changed) woken.add(id);
  }
  announce(services, { serverIdsOfDevices: [...woken] });
  return exceeded;
}

async function runScript(
  { redis }: Pick<Services, 'redis'>,
  {
    serverId,
    site,
    part,
  }: {
    serverId: string;
    site: Pick<SiteSettings, 'excessDevices' | 'roamingSeconds'>;
    part: readonly LimitedSubscription[];
  },
): Promise<Reply[]> {
  const policy = site.excessDevices === 'DISCONNECT_NEWEST' ? 'newest' : 'oldest';
  const times = [site.roamingSeconds * SECOND_MS, ONLINE_TTL_SECONDS * SECOND_MS];
  const args = part.flatMap(({ limit, ips }) => [
    ...[limit ?? '', ips.length],
    ...ips.flatMap((ip) => [ip, deviceOf(ip)]),
  ]);
  const keys = part.map(({ subscriptionId }) => keyOf(subscriptionId));
  return (await redis.eval(
    LIMIT_DEVICES,
    keys.length,
    ...keys,
    serverId,
    policy,
    ...times,
    ...args,
  )) as Reply[];
}
