import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { createRedemptionCounter } from '../../../../src/modules/operations/statistics/count-redemptions.ts';
import { createStatistics } from '../../../../src/modules/operations/statistics/read-statistics.ts';
import { DAY_MS, databaseNow } from '../../../../src/platform/database/clock.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import {
  buildDevice,
  buildDeviceStay,
  buildOrder,
  buildPlan,
  buildRedemption,
  buildServer,
} from '../../../support/factories.ts';
import { createTestServices } from '../../../support/services.ts';

let services: RunningServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());
beforeEach(async () => {
  await services.db.$executeRaw`TRUNCATE redemptions, orders, device_stays, servers, plans CASCADE`;
});

const secondsAgo = async (seconds: number) =>
  new Date((await databaseNow(services.db)).getTime() - seconds * 1_000);

describe('createStatistics', () => {
  it('reads the current load and backlog of the service', async () => {
    const { db } = services;
    const { id: planId } = await buildPlan(db);
    for (const seconds of [1, 2, 3, 40]) {
      await buildRedemption(db, { planId, redeemedAt: await secondsAgo(seconds) });
    }
    await db.order.deleteMany({ where: { status: 'PAID' } });
    await buildOrder(db, { createdAt: await secondsAgo(45) });
    await buildOrder(db);
    const { id: offlineId } = await buildDevice(db);
    await buildDeviceStay(db);
    await buildDeviceStay(db, {
      deviceId: offlineId,
      lastSeenAt: await secondsAgo(60),
      startedAt: await secondsAgo(90),
    });
    await buildServer(db, { lastSeenAt: await secondsAgo(5) });
    await buildServer(db, { lastSeenAt: await secondsAgo(5), fullListAt: await secondsAgo(60) });
    await buildServer(db, { lastSeenAt: await secondsAgo(300) });
    await buildServer(db);
    await buildServer(db, { deletedAt: new Date() });

    const statistics = await createStatistics(services)();

    expect(statistics).toMatchObject({
      activationsPerSecond: 0.3,
      queueDepth: 2,
      devicesOnline: 1,
      serversOnline: 1,
      serversLagging: 1,
      serversOffline: 2,
    });
    expect(statistics.oldestPaidOrderSeconds).toBeGreaterThanOrEqual(45);
    expect(statistics.oldestPaidOrderSeconds).toBeLessThan(60);
  });

  it('coalesces concurrent calls into one read', async () => {
    const statistics = createStatistics(services);

    const answers = await Promise.all(Array.from({ length: 20 }, statistics));

    expect(new Set(answers).size).toBe(1);
  });
});

describe('createRedemptionCounter', () => {
  const counts = (found: { plan: { id: string }; count: number }[]) =>
    found.map(({ plan, count }) => [plan.id, count]);

  /** Noon in UTC, so that no test crosses midnight. */
  const NOON = Date.UTC(2026, 5, 10, 12);
  const at = (seconds: number) => new Date(NOON + seconds * 1_000);
  const redeemed = async (planId: string, seconds: number) =>
    buildRedemption(services.db, { planId, redeemedAt: at(seconds) });

  it('counts the redemptions of the UTC day per plan, most redeemed first', async () => {
    const [one, other] = [await buildPlan(services.db), await buildPlan(services.db)];
    await redeemed(one.id, -5);
    await redeemed(other.id, -4);
    await redeemed(other.id, -3_600);
    await redeemed(one.id, -12 * 3_600 - 1);
    await redeemed(one.id, -12 * 3_600);
    await redeemed(one.id, -120);

    const found = await createRedemptionCounter(services.db)(at(0));

    expect(counts(found)).toEqual([
      [one.id, 3],
      [other.id, 2],
    ]);
  });

  it('counts each redemption once across calls, including late commits', async () => {
    const { id } = await buildPlan(services.db);
    const count = createRedemptionCounter(services.db);
    await redeemed(id, -300);
    await redeemed(id, -30);
    expect(counts(await count(at(0)))).toEqual([[id, 2]]);
    // A transaction that started before the first count and committed after it.
    await redeemed(id, -20);
    expect(counts(await count(at(1)))).toEqual([[id, 3]]);
    await redeemed(id, 90);

    expect(counts(await count(at(100)))).toEqual([[id, 4]]);
    expect(counts(await count(at(101)))).toEqual([[id, 4]]);
    expect(counts(await count(at(500)))).toEqual([[id, 4]]);
  });

  it('starts from zero at midnight UTC, and counts again if the clock goes back', async () => {
    const { id } = await buildPlan(services.db);
    const count = createRedemptionCounter(services.db);
    await redeemed(id, -300);
    expect(counts(await count(at(0)))).toEqual([[id, 1]]);

    expect(counts(await count(new Date(NOON + DAY_MS)))).toEqual([]);
    expect(counts(await count(at(0)))).toEqual([[id, 1]]);
  });
});
