import { databaseNow } from '../../../platform/database/clock.ts';
import type { Services } from '../../../platform/services.ts';
import { countOnlineDevices } from '../../identity/presence/count-online-devices.ts';
import { countServers } from '../../network/server/count-servers.ts';
import { readBacklog } from '../../redemption/activate/observe-orders.ts';
import { createRedemptionCounter, type PlanRedemptionCount } from './count-redemptions.ts';

/** How the service is doing at one moment. */
export interface StatisticsSnapshot {
  /** By PostgreSQL's clock. */
  at: Date;
  /** Over the last ten seconds. */
  activationsPerSecond: number;
  /** Orders that are PAID. */
  queueDepth: number;
  oldestPaidOrderSeconds: number | null;
  devicesOnline: number;
  serversOnline: number;
  serversLagging: number;
  serversOffline: number;
  /** Of the day in UTC; plans without any are left out. */
  redemptionsToday: PlanRedemptionCount[];
}

/** A result that is no older is given to whoever asks: those who watch ask all at once. */
const FRESH_MS = 500;

const RATE_SECONDS = 10;

/**
 * Made once for a process: gives the present statistics, which PostgreSQL knows alone. However many ask at the same
 * time, they are read once.
 */
export function createStatistics({ db }: Pick<Services, 'db'>): () => Promise<StatisticsSnapshot> {
  const countRedemptions = createRedemptionCounter(db);
  return shared(async () => {
    const at = await databaseNow(db);
    const [activationsPerSecond, backlog, devicesOnline, servers, redemptionsToday] = await Promise.all([
      readRate({ db }),
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

/** Each activation makes one redemption, in the same transaction. */
async function readRate({ db }: Pick<Services, 'db'>): Promise<number> {
  const [{ count }] = await db.$queryRaw<[{ count: number }]>`
    SELECT count(*)::int AS count FROM redemptions
    WHERE redeemed_at > tessera_now() - make_interval(secs => ${RATE_SECONDS})`;
  return count / RATE_SECONDS;
}

/** One reading at a time, whose result is good for a moment. */
function shared<Value>(read: () => Promise<Value>): () => Promise<Value> {
  let latest: Promise<Value> | undefined;
  return () => {
    latest ??= forgetLater(read());
    return latest;
  };
  function forgetLater(reading: Promise<Value>): Promise<Value> {
    const forget = () => {
      latest = undefined;
    };
    reading.then(() => setTimeout(forget, FRESH_MS).unref(), forget);
    return reading;
  }
}
