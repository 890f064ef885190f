import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Order } from '../../src/generated/prisma/client.ts';
import { armCrashPoint, type Crash } from '../../src/platform/crash-points.ts';
import { newCode } from '../support/codes.ts';
import { checkInvariants } from '../support/invariants.ts';
import { ACTIVATING, REDEEMING } from '../support/lab/points.ts';
import { eventually, fails, type Redeeming, startRedeeming } from '../support/redeeming.ts';

// Processes killed at these points are tested in redemption.test.ts.

/** How long the second caller waits before the first one is released. */
const RELEASE_AFTER_MS = 300;

let one: Redeeming;
/**
 * Redeems in a second process, simulated by separate coalescers on the same PostgreSQL and Redis.
 */
let elsewhere: Redeeming['redeem'];
const disarms: (() => void)[] = [];
beforeAll(async () => {
  one = await startRedeeming({ lock: false });
  elsewhere = one.elsewhere();
});
afterEach(() => {
  for (const disarm of disarms.splice(0)) disarm();
});
afterAll(() => one?.close());

/** Runs `crash` the first time the point is reached. */
function once(point: string, crash: Crash): { reached: () => boolean } {
  let isReached = false;
  disarms.push(
    armCrashPoint(point, () => {
      if (isReached) return;
      isReached = true;
      return crash();
    }),
  );
  return { reached: () => isReached };
}

interface Call {
  userId: string;
  code: string;
  codeId: string;
  key: string;
}

async function newCall(): Promise<Call> {
  const { code, id: codeId } = await newCode(one.services);
  return { userId: await one.user(), code, codeId, key: randomUUID() };
}

/** Retries with the same key until the order is accepted, like an app. */
async function retryUntilAccepted({ userId, code, key }: Call): Promise<Order> {
  let order: Order | undefined;
  await eventually(async () => {
    order = await elsewhere(userId, code, key).catch(() => undefined);
    return order !== undefined;
  });
  if (!order) throw new Error('not accepted');
  return order;
}

/** Exactly one order is FINISHED, with one redemption and one use; all others are CLOSED. */
async function expectActivatedOnce({ userId, codeId }: Call): Promise<void> {
  const orders = await one.services.db.order.findMany({ where: { userId, status: { not: 'CLOSED' } } });
  for (const order of orders) await one.activate(order);
  const statuses = (await one.services.db.order.findMany({ where: { userId } })).map(({ status }) => status);
  expect(statuses.filter((status) => status !== 'CLOSED')).toEqual(['FINISHED']);
  expect(await one.services.db.redemption.count({ where: { userId } })).toBe(1);
  expect(await one.uses(codeId)).toEqual({ usedCount: 1, reservedCount: 0 });
  expect(await checkInvariants(one.services.db)).toEqual([]);
}

/** Runs `second` while `first` hangs at the point, then releases `first`. */
async function whileFirstHangs<Result>(
  point: string,
  first: () => Promise<Result>,
  second: () => Promise<Result>,
) {
  let release = () => {};
  const { reached } = once(
    point,
    () =>
      new Promise<void>((resolve) => {
        release = resolve;
      }),
  );
  const hanging = first().catch(() => {});
  await eventually(reached);
  // The second call may wait for rows that the first one has locked.
  const other = second().catch(() => {});
  await Promise.race([other, sleep(RELEASE_AFTER_MS)]);
  release();
  return (await Promise.all([hanging, other])).filter((result) => result !== undefined);
}

describe.each(REDEEMING)('redeemCode at crash point %s', (point, before) => {
  const redeem = ({ userId, code, key }: Call) => one.redeem(userId, code, key);

  it('succeeds on retry after an exception', async () => {
    const call = await newCall();
    if (before) once(before, fails);
    const { reached } = once(point, fails);
    await redeem(call).catch(() => {});
    expect(reached()).toBe(true);

    await retryUntilAccepted(call);

    await expectActivatedOnce(call);
  });

  it('activates one order when it hangs during a retry at another process', async () => {
    const call = await newCall();
    if (before) once(before, fails);

    const responses = await whileFirstHangs(
      point,
      () => redeem(call),
      () => elsewhere(call.userId, call.code, call.key),
    );
    await retryUntilAccepted(call);

    await expectActivatedOnce(call);
    for (const order of responses) expect((await one.order(order as Order)).status).toBe('FINISHED');
  });

  // An order that was returned to two callers is not closed, so its closing is not announced.
  it.skipIf(point.startsWith('announceOrders'))(
    'activates one order when two calls reach it concurrently',
    async () => {
      const call = await newCall();
      if (before) once(before, fails);
      const all = [redeem(call), redeem(call), elsewhere(call.userId, call.code, call.key)];
      const { reached } = once(point, fails);
      await Promise.allSettled(all);
      expect(reached()).toBe(true);

      await retryUntilAccepted(call);

      await expectActivatedOnce(call);
    },
  );
});

describe.each(ACTIVATING)('activateOrders at crash point %s', (point) => {
  async function accepted(): Promise<{ call: Call; order: Order }> {
    const call = await newCall();
    return { call, order: await one.redeem(call.userId, call.code, call.key) };
  }

  it('activates on redelivery after an exception', async () => {
    const { call, order } = await accepted();
    const { reached } = once(point, fails);
    await one.activate(order).catch(() => {});
    expect(reached()).toBe(true);

    await expectActivatedOnce(call);
  });

  it('activates once when it hangs while another worker takes the job', async () => {
    const { call, order } = await accepted();

    await whileFirstHangs(
      point,
      () => one.activate(order),
      () => one.activate(order),
    );

    await expectActivatedOnce(call);
  });

  it('activates once when two deliveries reach it concurrently', async () => {
    const { call, order } = await accepted();
    const { reached } = once(point, fails);
    await Promise.allSettled([one.activate(order), one.activate(order), one.activate(order)]);
    expect(reached()).toBe(true);

    await expectActivatedOnce(call);
  });
});
