import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Order } from '../../src/generated/prisma/client.ts';
import { armCrashPoint, type Crash } from '../../src/platform/crash-points.ts';
import { newCode } from '../support/codes.ts';
import { checkInvariants } from '../support/invariants.ts';
import { ACTIVATING, REDEEMING } from '../support/lab/points.ts';
import { eventually, fails, type Redeeming, startRedeeming } from '../support/redeeming.ts';

// Processes that are killed at these points: redemption.test.ts.

/** How long somebody waits for an answer that does not come. */
const PATIENCE_MS = 300;

let one: Redeeming;
/** Another process: it shares nothing with the first but PostgreSQL and Redis. */
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

/** Happens at the point once, the first time that anybody gets there. */
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

interface Wish {
  userId: string;
  code: string;
  codeId: string;
  key: string;
}

async function newWish(): Promise<Wish> {
  const { code, id: codeId } = await newCode(one.services);
  return { userId: await one.user(), code, codeId, key: randomUUID() };
}

/** Asks again with the same key until it is accepted, as an app does. */
async function insist({ userId, code, key }: Wish): Promise<Order> {
  let order: Order | undefined;
  await eventually(async () => {
    order = await elsewhere(userId, code, key).catch(() => undefined);
    return order !== undefined;
  });
  if (!order) throw new Error('not accepted');
  return order;
}

/** The one order that counts is finished, with one record and one use; whatever else there is, is closed. */
async function expectWhole({ userId, codeId }: Wish): Promise<void> {
  const orders = await one.services.db.order.findMany({ where: { userId, status: { not: 'CLOSED' } } });
  for (const order of orders) await one.activate(order);
  const statuses = (await one.services.db.order.findMany({ where: { userId } })).map(({ status }) => status);
  expect(statuses.filter((status) => status !== 'CLOSED')).toEqual(['FINISHED']);
  expect(await one.services.db.redemption.count({ where: { userId } })).toBe(1);
  expect(await one.uses(codeId)).toEqual({ usedCount: 1, reservedCount: 0 });
  expect(await checkInvariants(one.services.db)).toEqual([]);
}

/** What of a wish goes on while its first call hangs at the point; then the first call goes on. */
async function whileItHangs<Answer>(
  point: string,
  first: () => Promise<Answer>,
  second: () => Promise<Answer>,
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
  // It may have to wait for what the first one has locked.
  const other = second().catch(() => {});
  await Promise.race([other, sleep(PATIENCE_MS)]);
  release();
  return (await Promise.all([hanging, other])).filter((answer) => answer !== undefined);
}

describe.each(REDEEMING)('redeeming, at %s', (point, before) => {
  const redeem = ({ userId, code, key }: Wish) => one.redeem(userId, code, key);

  it('may throw', async () => {
    const wish = await newWish();
    if (before) once(before, fails);
    const { reached } = once(point, fails);
    await redeem(wish).catch(() => {});
    expect(reached()).toBe(true);

    await insist(wish);

    await expectWhole(wish);
  });

  it('may hang while the customer asks elsewhere, and go on later', async () => {
    const wish = await newWish();
    if (before) once(before, fails);

    const answers = await whileItHangs(
      point,
      () => redeem(wish),
      () => elsewhere(wish.userId, wish.code, wish.key),
    );
    await insist(wish);

    await expectWhole(wish);
    for (const answer of answers) expect((await one.order(answer as Order)).status).toBe('FINISHED');
  });

  // An order that two were answered with is not closed, and so that is not announced.
  it.skipIf(point.startsWith('announceOrders'))('may be there twice', async () => {
    const wish = await newWish();
    if (before) once(before, fails);
    const all = [redeem(wish), redeem(wish), elsewhere(wish.userId, wish.code, wish.key)];
    const { reached } = once(point, fails);
    await Promise.allSettled(all);
    expect(reached()).toBe(true);

    await insist(wish);

    await expectWhole(wish);
  });
});

describe.each(ACTIVATING)('activating, at %s', (point) => {
  async function accepted(): Promise<{ wish: Wish; order: Order }> {
    const wish = await newWish();
    return { wish, order: await one.redeem(wish.userId, wish.code, wish.key) };
  }

  it('may throw', async () => {
    const { wish, order } = await accepted();
    const { reached } = once(point, fails);
    await one.activate(order).catch(() => {});
    expect(reached()).toBe(true);

    await expectWhole(wish);
  });

  it('may hang while the job is done elsewhere, and go on later', async () => {
    const { wish, order } = await accepted();

    await whileItHangs(
      point,
      () => one.activate(order),
      () => one.activate(order),
    );

    await expectWhole(wish);
  });

  it('may be there twice', async () => {
    const { wish, order } = await accepted();
    const { reached } = once(point, fails);
    await Promise.allSettled([one.activate(order), one.activate(order), one.activate(order)]);
    expect(reached()).toBe(true);

    await expectWhole(wish);
  });
});
