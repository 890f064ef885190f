import { databaseNow } from '../../../platform/database/clock.ts';
import type { Services } from '../../../platform/services.ts';
import { countOnlineDevices } from '../../identity/device/list-devices.ts';
import { countServers } from '../../network/server/count-servers.ts';
import { readBacklog } from '../../redemption/activate/order-backlog.ts';
import { createRedemptionCounter, type PlanRedemptionCount } from './count-redemptions.ts';

/** Load and backlog of the service at one time. */
export interface StatisticsSnapshot {
  /** Time of the read, by the database clock. */
  at: Date;
  /** Average over the last ten seconds. */
  activationsPerSecond: number;
  /** Number of orders that are PAID. */
  queueDepth: number;
  oldestPaidOrderSeconds: number | null;
  devicesOnline: number;
  serversOnline: number;
  serversLagging: number;
  serversOffline: number;
  /** Since the start of the UTC day; plans without redemptions are omitted. */
  redemptionsToday: PlanRedemptionCount[];
}

/**
 * How long a result is reused. All watchers read at the same time, and their calls share one
 * result.
 */
const MAX_AGE_MS = 500;

const RATE_SECONDS = 10;

/**
 * Creates the reader of statistics, one per process. It needs only PostgreSQL. Concurrent calls are
 * coalesced into one read (single flight), whose result is reused for 500 ms.
 */
export function createStatistics({ db }: Pick<Services, 'db'>): () => Promise<StatisticsSnapshot> {
  const countRedemptions = createRedemptionCounter(db);
  return singleFlight(async () => {
    const at = await databaseNow(db);
    const [activationsPerSecond, backlog, devicesOnline, servers, redemptionsToday] = await Promise.all([
      readActivationRate({ db }),
      readBacklog({ db }),
      countOnlineDevices({ db }),
      countServers({ db }),
      countRedemptions(at),
    ]);
    return {
      ...{ at, activationsPerSecond, devicesOnline, redemptionsToday },
      queueDepth: backlog.paidOrders,
      oldestPaidOrderSeconds: backlog.oldestSeconds,
      serversOnline: servers.online,
      serversLagging: servers.lagging,
      serversOffline: servers.offline,
    };
  });
}

/** Each activation inserts one redemption in its transaction, so redemptions are counted. */
async function readActivationRate({ db }: Pick<Services, 'db'>): Promise<number> {
  const [{ count }] = await db.$queryRaw<[{ count: number }]>`
    SELECT count(*)::int AS count FROM redemptions
    WHERE redeemed_at > tessera_now() - make_interval(secs => ${RATE_SECONDS})`;
  return count / RATE_SECONDS;
}

/** Runs one read at a time. Its result is reused for `MAX_AGE_MS`; errors are not. */
function singleFlight<Value>(read: () => Promise<Value>): () => Promise<Value> {
  let latest: Promise<Value> | undefined;
  const invalidate = () => {
    latest = undefined;
  };
  const start = () => {
    const reading = read();
    reading.then(() => setTimeout(invalidate, MAX_AGE_MS).unref(), invalidate);
    return reading;
  };
  return () => {
    latest ??= start();
    return latest;
  };
}
