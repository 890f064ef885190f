import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createActivations } from '../../../../src/modules/redemption/activate/activate-orders.ts';
import { reconcileOrders } from '../../../../src/modules/redemption/activate/reconcile-orders.ts';
import { startWorker } from '../../../../src/worker.ts';
import { newCode } from '../../../support/codes.ts';
import { inDays } from '../../../support/factories.ts';
import { checkInvariants } from '../../../support/invariants.ts';
import {
  armed,
  eventually,
  fails,
  type Redeeming,
  refusalOf,
  startRedeeming,
  tally,
} from '../../../support/redeeming.ts';
import { type RedisProcess, startRedisProcess } from '../../../support/redis-process.ts';

let redis: RedisProcess;
let r: Redeeming;
beforeAll(async () => {
  redis = await startRedisProcess();
  await redis.call('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
  r = await startRedeeming({ redisUrl: redis.url });
});
afterEach(async () => {
  expect(await checkInvariants(r.services.db)).toEqual([]);
});
afterAll(async () => {
  await r.close();
  await redis.remove();
});

const ordersOf = (userId: string) =>
  r.services.db.order.findMany({ where: { userId }, orderBy: { id: 'asc' } });

/** Makes all PAID orders due and runs the reconciler. */
async function reconcileAll(): Promise<void> {
  await r.services.db.order.updateMany({ where: { status: 'PAID' }, data: { nextAttemptAt: inDays(-1) } });
  await reconcileOrders({ ...r.services, activations: createActivations(r.services, { maxSize: 128 }) });
}

describe('an order that cannot be cached or enqueued', () => {
  it.each(['dispatchOrders.beforeCache', 'dispatchOrders.beforeEnqueue', 'dispatchOrders.afterEnqueue'])(
    'is CLOSED after a failure at %s, its use is released, and a retry with the same key succeeds',
    async (point) => {
      const { id, code } = await newCode(r.services);
      const userId = await r.user();
      const disarm = armed(point, fails);

      expect((await refusalOf(r.redeem(userId, code, 'key'))).code).toBe('SERVICE_UNAVAILABLE');

      const [closed] = await ordersOf(userId);
      expect(closed).toMatchObject({
        status: 'CLOSED',
        isNew: false,
        nextAttemptAt: null,
        failureCode: null,
      });
      expect(await r.uses(id)).toEqual({ usedCount: 0, reservedCount: 0 });
      expect(await r.services.redis.exists(`redemption_order:${closed?.orderNo}`)).toBe(0);
      disarm();
      const again = await r.redeem(userId, code, 'key');
      expect(again).toMatchObject({ status: 'PAID', isNew: true });
      expect(again.id).not.toBe(closed?.id);
      await r.activate(again);
    },
  );

  it('stays CLOSED even if its job is still delivered', async () => {
    const { id, code } = await newCode(r.services);
    const userId = await r.user();
    const disarm = armed('dispatchOrders.afterEnqueue', fails);
    await refusalOf(r.redeem(userId, code));
    disarm();

    const worker = startWorker(r.services, { BATCH_SIZE: 128 });
    const later = await r.redeem(await r.user(), (await newCode(r.services)).code);
    await eventually(async () => (await r.order(later)).status === 'FINISHED');
    await worker.stop();

    expect(await ordersOf(userId)).toMatchObject([{ status: 'CLOSED', subscriptionId: null }]);
    expect(await r.uses(id)).toEqual({ usedCount: 0, reservedCount: 0 });
  });

  it('is returned if it was activated before the clean-up', async () => {
    const { code } = await newCode(r.services);
    const userId = await r.user();
    armed('dispatchOrders.afterEnqueue', fails);
    armed('dispatchOrders.beforeCleanUp', async () => r.activate(...(await ordersOf(userId))));

    expect(await r.redeem(userId, code)).toMatchObject({ status: 'FINISHED' });
  });

  it.each(['dispatchOrders.beforeCleanUp', 'closeOrders.beforeCommit'])(
    'stays PAID for the reconciler if the clean-up fails at %s, too',
    async (point) => {
      const { id, code } = await newCode(r.services);
      const userId = await r.user();
      const disarms = [armed('dispatchOrders.beforeEnqueue', fails), armed(point, fails)];

      expect((await refusalOf(r.redeem(userId, code, 'key'))).code).toBe('SERVICE_UNAVAILABLE');

      for (const disarm of disarms) disarm();
      expect(await ordersOf(userId)).toMatchObject([{ status: 'PAID' }]);
      await reconcileAll();
      expect(await r.redeem(userId, code, 'key')).toMatchObject({ status: 'FINISHED' });
      expect(await r.uses(id)).toEqual({ usedCount: 1, reservedCount: 0 });
    },
  );

  it('is closed together with the others of its group, and each can be retried', async () => {
    const { id, code } = await newCode(r.services, { code: { maxUses: 20 } });
    const users = await Promise.all(Array.from({ length: 20 }, () => r.user()));
    const disarm = armed('dispatchOrders.beforeEnqueue', fails);

    expect(await tally(users.map((userId) => r.redeem(userId, code)))).toEqual({ SERVICE_UNAVAILABLE: 20 });

    disarm();
    expect(await r.uses(id)).toEqual({ usedCount: 0, reservedCount: 0 });
    expect(await tally(users.map((userId) => r.redeem(userId, code)))).toEqual({ OK: 20 });
  });
});

describe('a crash of the process or its connections', () => {
  it.each(['acceptOrders.beforeCommit'])('at %s leaves no order and no reserved use', async (point) => {
    const { id, code } = await newCode(r.services);
    const userId = await r.user();
    const disarm = armed(point, fails);

    await expect(r.redeem(userId, code)).rejects.toThrow('injected failure');

    disarm();
    expect(await ordersOf(userId)).toEqual([]);
    expect(await r.uses(id)).toEqual({ usedCount: 0, reservedCount: 0 });
  });

  it('that breaks the connection before the commit is retried and creates one order', async () => {
    const { id, code } = await newCode(r.services);
    const userId = await r.user();
    let crashes = 0;
    const disarm = armed('acceptOrders.beforeCommit', async () => {
      if (++crashes > 1) return;
      await r.services.db.$queryRaw`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid() AND state LIKE 'idle in transaction%'`;
    });

    const order = await r.redeem(userId, code);

    disarm();
    expect(crashes).toBe(2);
    expect(await ordersOf(userId)).toEqual([order]);
    expect(await r.uses(id)).toEqual({ usedCount: 0, reservedCount: 1 });
  });

  it('between the commit and the queue leaves an order that the reconciler activates', async () => {
    const { id, code } = await newCode(r.services);
    const userId = await r.user();
    const disarm = armed('acceptOrders.afterCommit', fails);

    await expect(r.redeem(userId, code)).rejects.toThrow('injected failure');

    disarm();
    expect(await ordersOf(userId)).toMatchObject([{ status: 'PAID' }]);
    await reconcileAll();
    expect(await ordersOf(userId)).toMatchObject([{ status: 'FINISHED', isNew: true }]);
    expect(await r.uses(id)).toEqual({ usedCount: 1, reservedCount: 0 });
  });

  it.each(['announceOrders.beforeCache', 'announceOrders.beforePublish'])(
    'at %s does not undo an activation',
    async (point) => {
      const { code } = await newCode(r.services);
      const order = await r.redeem(await r.user(), code);
      armed(point, fails);

      await expect(r.activate(order)).rejects.toThrow('injected failure');

      expect(await r.order(order)).toMatchObject({ status: 'FINISHED' });
      await r.activate(order);
    },
  );
});

describe('an outage of Redis', () => {
  const redisIsBack = () =>
    eventually(() =>
      r.services.redis.exists('anything').then(
        () => true,
        () => false,
      ),
    );
  const timed = async (work: Promise<unknown>) => {
    const startedAt = performance.now();
    const error = await work.catch((caught: unknown) => caught);
    return { ms: performance.now() - startedAt, error };
  };

  it('makes redeemCode fail within 2 s without writing anything if Redis does not respond', async () => {
    const { id, code } = await newCode(r.services);
    const userId = await r.user();
    redis.freeze();
    try {
      const { ms, error } = await timed(r.redeem(userId, code));

      expect(error).toMatchObject({ name: 'RedisUnavailableError' });
      expect(ms).toBeLessThan(2_000);
      expect(await ordersOf(userId)).toEqual([]);
      expect(await r.uses(id)).toEqual({ usedCount: 0, reservedCount: 0 });
    } finally {
      redis.thaw();
    }
    await redisIsBack();
    // The lock may have been set after the time-out; it is released once Redis responds.
    await eventually(() =>
      r.redeem(userId, code).then(
        () => true,
        () => false,
      ),
    );
  });

  it('that begins after the order was created closes the order within 3 s', async () => {
    const { id, code } = await newCode(r.services);
    const userId = await r.user();
    const disarm = armed('dispatchOrders.beforeCache', () => redis.freeze());
    try {
      const { ms, error } = await timed(r.redeem(userId, code));

      expect(error).toMatchObject({ code: 'SERVICE_UNAVAILABLE' });
      expect(ms).toBeLessThan(3_000);
      expect(await ordersOf(userId)).toMatchObject([{ status: 'CLOSED' }]);
      expect(await r.uses(id)).toEqual({ usedCount: 0, reservedCount: 0 });
    } finally {
      disarm();
      redis.thaw();
    }
    await redisIsBack();
  });

  it('closes the order if Redis is out of memory', async () => {
    const { id, code } = await newCode(r.services);
    const userId = await r.user();
    armed(
      'dispatchOrders.beforeCache',
      async () => void (await redis.call('CONFIG', 'SET', 'maxmemory', '1')),
    );
    try {
      expect((await refusalOf(r.redeem(userId, code))).code).toBe('SERVICE_UNAVAILABLE');
    } finally {
      await redis.call('CONFIG', 'SET', 'maxmemory', '0');
    }
    expect(await ordersOf(userId)).toMatchObject([{ status: 'CLOSED' }]);
    expect(await r.uses(id)).toEqual({ usedCount: 0, reservedCount: 0 });
  });
});
