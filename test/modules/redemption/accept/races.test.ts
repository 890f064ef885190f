import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Order } from '../../../../src/generated/prisma/client.ts';
import { newCode } from '../../../support/codes.ts';
import { checkInvariants } from '../../../support/invariants.ts';
import {
  armed,
  overlapping,
  type Redeeming,
  refusalOf,
  startRedeeming,
  tally,
} from '../../../support/redeeming.ts';

describe('two processes without the lock', () => {
  // Each with batchers of its own: what one decides, the other learns from the database alone.
  let one: Redeeming;
  let redeems: Redeeming['redeem'][];
  beforeAll(async () => {
    one = await startRedeeming({ lock: false });
    redeems = [one.redeem, one.elsewhere()];
  });
  afterAll(() => one.close());
  const redeem = (turn: number, userId: string, code: string) => {
    const by = redeems[turn % redeems.length];
    if (!by) throw new Error('nobody redeems');
    return by(userId, code);
  };
  const many = <T>(count: number, make: (turn: number) => T) =>
    Array.from({ length: count }, (_, turn) => make(turn));
  const activateAll = async () =>
    one.activate(...(await one.services.db.order.findMany({ where: { status: 'PAID' } })));

  /** What comes of the second decision, made while the first is decided and not committed. */
  const overlappingOrders = (first: () => Promise<Order>, second: () => Promise<Order>) =>
    overlapping(one.services, 'acceptOrders.beforeCommit', { first, second });

  it('refuse the last use while it is being promised elsewhere', async () => {
    const { code } = await newCode(one.services, { batch: { unitTime: 'DAY' } });
    const [winner, loser] = [await one.user(), await one.user()];

    const late = overlappingOrders(
      () => redeem(0, winner, code),
      () => redeem(1, loser, code),
    );

    expect((await refusalOf(late)).code).toBe('CODE_EXHAUSTED');
  });

  it('see the order of the same user and code that is being made elsewhere', async () => {
    const { code } = await newCode(one.services, { batch: { unitTime: 'DAY' }, code: { maxUses: null } });
    const userId = await one.user();
    const made: Order[] = [];

    const late = await overlappingOrders(
      async () => {
        const order = await redeem(0, userId, code);
        made.push(order);
        return order;
      },
      () => redeem(1, userId, code),
    );

    expect(late.id).toBe(made[0]?.id);
  });

  it('call no order new while the first one of the user is being made elsewhere', async () => {
    const codes = [await newCode(one.services), await newCode(one.services)];
    const userId = await one.user();

    const late = await overlappingOrders(
      () => redeem(0, userId, codes[0]?.code ?? ''),
      () => redeem(1, userId, codes[1]?.code ?? ''),
    );

    expect(late.isNew).toBe(false);
  });

  it('promise a code for 100 to exactly 100 of 2,000 users at once', async () => {
    const batch = { unitTime: 'DAY' } as const;
    const { id, code } = await newCode(one.services, { batch, code: { maxUses: 100 } });
    const users = await one.services.db.user.createManyAndReturn({ data: many(2_000, () => ({})) });

    const counts = await tally(users.map(({ id: userId }, turn) => redeem(turn, userId, code)));

    expect(counts).toEqual({ OK: 100, CODE_EXHAUSTED: 1_900 });
    await activateAll();
    expect(await one.uses(id)).toEqual({ usedCount: 100, reservedCount: 0 });
    expect(await checkInvariants(one.services.db)).toEqual([]);
  });

  it('redeem a code once for a user who asks 200 times at once, activated meanwhile', async () => {
    const batch = { unitTime: 'DAY' } as const;
    const { id, code } = await newCode(one.services, { batch, code: { maxUses: null } });
    const userId = await one.user();
    armed('dispatchOrders.afterEnqueue', activateAll);

    const counts = await tally(many(200, (turn) => redeem(turn, userId, code)));

    expect(['OK', 'CODE_ALREADY_REDEEMED']).toEqual(expect.arrayContaining(Object.keys(counts)));
    expect(await one.services.db.order.count({ where: { codeId: id } })).toBe(1);
    expect(await one.uses(id)).toEqual({ usedCount: 1, reservedCount: 0 });
    expect(await checkInvariants(one.services.db)).toEqual([]);
  });

  it('promise the last uses of a code no more often than they are there', async () => {
    const { id, code } = await newCode(one.services, { batch: { unitTime: 'DAY' }, code: { maxUses: 7 } });
    const users = await Promise.all(many(60, () => one.user()));

    const counts = await tally(users.map((userId, turn) => redeem(turn, userId, code)));

    expect(counts).toEqual({ OK: 7, CODE_EXHAUSTED: 53 });
    expect(await one.uses(id)).toEqual({ usedCount: 0, reservedCount: 7 });
    await activateAll();
    expect(await checkInvariants(one.services.db)).toEqual([]);
  });

  it('make one order of one user and one code', async () => {
    const { id, code } = await newCode(one.services, { batch: { unitTime: 'DAY' }, code: { maxUses: null } });
    const userId = await one.user();

    const orders = await Promise.all(many(60, (turn) => redeem(turn, userId, code)));

    expect(new Set(orders.map(({ id }) => id)).size).toBe(1);
    expect(await one.uses(id)).toEqual({ usedCount: 0, reservedCount: 1 });
  });

  it('make one order of a user new, however many codes he redeems at once', async () => {
    for (const _ of many(5, () => 0)) {
      const codes = await Promise.all(many(12, () => newCode(one.services, { batch: { unitTime: 'DAY' } })));
      const userId = await one.user();

      const orders = await Promise.all(codes.map(({ code }, turn) => redeem(turn, userId, code)));

      expect(orders.filter(({ isNew }) => isNew)).toHaveLength(1);
    }
  });

  it('add up the codes of one plan that a user redeems at once, whoever activates them', async () => {
    const [first, ...others] = await Promise.all(
      many(12, () => newCode(one.services, { batch: { unitTime: 'DAY' } })),
    );
    const { planId } = await one.services.db.redemptionBatch.findUniqueOrThrow({
      where: { id: first?.batchId ?? '' },
    });
    await one.services.db.redemptionBatch.updateMany({
      where: { id: { in: others.map(({ batchId }) => batchId) } },
      data: { planId },
    });
    await one.services.db.plan.update({ where: { id: planId }, data: { quota: 1 } });
    const userId = await one.user();
    const codes = [first, ...others].map((made) => made?.code ?? '');
    const orders = await Promise.all(codes.map((code, turn) => redeem(turn, userId, code)));

    await Promise.all(orders.map((order) => one.activate(order)));

    const subscriptions = await one.services.db.userSubscription.findMany({ where: { userId } });
    expect(subscriptions).toHaveLength(1);
    const [{ startsAt, expiresAt } = { startsAt: 0, expiresAt: 0 }] = subscriptions;
    expect(Number(expiresAt) - Number(startsAt)).toBe(12 * 86_400_000);
    expect(await checkInvariants(one.services.db)).toEqual([]);
  });

  it('with codes edited at the same time never promise more than there is', async () => {
    const { id, code } = await newCode(one.services, { batch: { unitTime: 'DAY' }, code: { maxUses: 30 } });
    const users = await Promise.all(many(60, () => one.user()));
    const edits = many(20, (turn) =>
      one.services.db.redemptionCode
        .updateMany({ where: { id }, data: { maxUses: turn % 2 ? 30 : 25 } })
        .catch(() => 'below what is promised'),
    );

    const [counts] = await Promise.all([
      tally(users.map((userId, turn) => redeem(turn, userId, code))),
      ...edits,
    ]);

    expect((counts.OK ?? 0) + (counts.CODE_EXHAUSTED ?? 0)).toBe(60);
    expect(counts.OK).toBeLessThanOrEqual(30);
    expect(counts.OK).toBeGreaterThanOrEqual(25);
    await activateAll();
    expect(await checkInvariants(one.services.db)).toEqual([]);
  });
});

describe('the lock', () => {
  let r: Redeeming;
  beforeAll(async () => {
    r = await startRedeeming();
  });
  afterAll(() => r.close());

  it('held by another call is REDEMPTION_IN_PROGRESS, under the code in its normal form, also beside a PAID order', async () => {
    const { code } = await newCode(r.services);
    const userId = await r.user();
    await r.redeem(userId, code);
    const key = `redemption_lock:${userId}:${code.replaceAll('-', '')}`;
    await r.services.redis.set(key, 'of somebody else', 'PX', 10_000);

    const typed = ` ${code.toLowerCase()}`;

    expect((await refusalOf(r.redeem(userId, typed))).code).toBe('REDEMPTION_IN_PROGRESS');
    expect(await r.services.redis.get(key)).toBe('of somebody else');
  });

  it('is held while the order is made, for 10 s at most, and given back after it', async () => {
    const { code } = await newCode(r.services);
    const userId = await r.user();
    const key = `redemption_lock:${userId}:${code.replaceAll('-', '')}`;
    let ttl = 0;
    armed('dispatchOrders.beforeCache', async () => {
      ttl = await r.services.redis.pttl(key);
    });

    await r.redeem(userId, code);

    expect(ttl).toBeGreaterThan(5_000);
    expect(ttl).toBeLessThanOrEqual(10_000);
    expect(await r.services.redis.exists(key)).toBe(0);
  });

  it('that has run out and is held by another is not taken from him', async () => {
    const { code } = await newCode(r.services);
    const userId = await r.user();
    const key = `redemption_lock:${userId}:${code.replaceAll('-', '')}`;
    armed('dispatchOrders.beforeCache', async () => void (await r.services.redis.set(key, 'of another')));

    await r.redeem(userId, code);

    expect(await r.services.redis.get(key)).toBe('of another');
  });

  it('keeps nobody from another code, nor another user from the same', async () => {
    const [one, two] = [await newCode(r.services, { code: { maxUses: 2 } }), await newCode(r.services)];
    const [userId, other] = [await r.user(), await r.user()];
    await r.services.redis.set(
      `redemption_lock:${userId}:${one.code.replaceAll('-', '')}`,
      'held',
      'PX',
      10_000,
    );

    expect((await r.redeem(userId, two.code)).status).toBe('PAID');
    expect((await r.redeem(other, one.code)).status).toBe('PAID');
  });
});
