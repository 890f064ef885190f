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

describe('two processes without the redemption lock', () => {
  // Each process has its own coalescers, so they share their decisions only through the database.
  let one: Redeeming;
  let redeems: Redeeming['redeem'][];
  beforeAll(async () => {
    one = await startRedeeming({ lock: false });
    redeems = [one.redeem, one.elsewhere()];
  });
  afterAll(() => one.close());
  const redeem = (turn: number, userId: string, code: string) => {
    const by = redeems[turn % redeems.length];
    if (!by) throw new Error('no process');
    return by(userId, code);
  };
  const many = <T>(count: number, make: (turn: number) => T) =>
    Array.from({ length: count }, (_, turn) => make(turn));
  const activateAll = async () =>
    one.activate(...(await one.services.db.order.findMany({ where: { status: 'PAID' } })));

  /** The outcome of the second call, made after the first is decided but before it commits. */
  const overlappingOrders = (first: () => Promise<Order>, second: () => Promise<Order>) =>
    overlapping(one.services, 'acceptOrders.beforeCommit', { first, second });

  it('refuse the last use while the other one is reserving it', async () => {
    const { code } = await newCode(one.services, { batch: { unitTime: 'DAY' } });
    const [winner, loser] = [await one.user(), await one.user()];

    const late = overlappingOrders(
      () => redeem(0, winner, code),
      () => redeem(1, loser, code),
    );

    expect((await refusalOf(late)).code).toBe('CODE_EXHAUSTED');
  });

  it('return the order that the other one is creating for the same user and code', async () => {
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

  it('mark no second order as new while the other one is creating the first', async () => {
    const codes = [await newCode(one.services), await newCode(one.services)];
    const userId = await one.user();

    const late = await overlappingOrders(
      () => redeem(0, userId, codes[0]?.code ?? ''),
      () => redeem(1, userId, codes[1]?.code ?? ''),
    );

    expect(late.isNew).toBe(false);
  });

  it('accept exactly 100 of 2,000 concurrent requests for a code with 100 uses', async () => {
    const batch = { unitTime: 'DAY' } as const;
    const { id, code } = await newCode(one.services, { batch, code: { maxUses: 100 } });
    const users = await one.services.db.user.createManyAndReturn({ data: many(2_000, () => ({})) });

    const counts = await tally(users.map(({ id: userId }, turn) => redeem(turn, userId, code)));

    expect(counts).toEqual({ OK: 100, CODE_EXHAUSTED: 1_900 });
    await activateAll();
    expect(await one.uses(id)).toEqual({ usedCount: 100, reservedCount: 0 });
    expect(await checkInvariants(one.services.db)).toEqual([]);
  });

  it('redeem a code once when one user sends 200 concurrent requests and the order is activated meanwhile', async () => {
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

  it('reserve each of the last uses of a code once', async () => {
    const { id, code } = await newCode(one.services, { batch: { unitTime: 'DAY' }, code: { maxUses: 7 } });
    const users = await Promise.all(many(60, () => one.user()));

    const counts = await tally(users.map((userId, turn) => redeem(turn, userId, code)));

    expect(counts).toEqual({ OK: 7, CODE_EXHAUSTED: 53 });
    expect(await one.uses(id)).toEqual({ usedCount: 0, reservedCount: 7 });
    await activateAll();
    expect(await checkInvariants(one.services.db)).toEqual([]);
  });

  it('create one order for concurrent requests of one user for one code', async () => {
    const { id, code } = await newCode(one.services, { batch: { unitTime: 'DAY' }, code: { maxUses: null } });
    const userId = await one.user();

    const orders = await Promise.all(many(60, (turn) => redeem(turn, userId, code)));

    expect(new Set(orders.map(({ id }) => id)).size).toBe(1);
    expect(await one.uses(id)).toEqual({ usedCount: 0, reservedCount: 1 });
  });

  it('mark one order of a user as new when the user redeems many codes concurrently', async () => {
    for (const _ of many(5, () => 0)) {
      const codes = await Promise.all(many(12, () => newCode(one.services, { batch: { unitTime: 'DAY' } })));
      const userId = await one.user();

      const orders = await Promise.all(codes.map(({ code }, turn) => redeem(turn, userId, code)));

      expect(orders.filter(({ isNew }) => isNew)).toHaveLength(1);
    }
  });

  it('add up the time of many codes for one plan that a user redeems concurrently', async () => {
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

  it('never reserve more uses than maxUses while it is edited', async () => {
    const { id, code } = await newCode(one.services, { batch: { unitTime: 'DAY' }, code: { maxUses: 30 } });
    const users = await Promise.all(many(60, () => one.user()));
    const edits = many(20, (turn) =>
      one.services.db.redemptionCode
        .updateMany({ where: { id }, data: { maxUses: turn % 2 ? 30 : 25 } })
        .catch(() => 'below the reserved uses'),
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

/** Key of the lock: the code appears only as the keyed hash under which it is stored. */
function lockKey({ services }: Pick<Redeeming, 'services'>, userId: string, code: string): string {
  const mac = services.secrets.mac('redemption-code', code.replaceAll('-', ''));
  return `redemption_lock:${userId}:${mac.toString('hex')}`;
}

describe('the redemption lock', () => {
  let r: Redeeming;
  beforeAll(async () => {
    r = await startRedeeming();
  });
  afterAll(() => r.close());

  it('held by another call fails the request with REDEMPTION_IN_PROGRESS, even if there is a PAID order', async () => {
    const { code } = await newCode(r.services);
    const userId = await r.user();
    await r.redeem(userId, code);
    const key = lockKey(r, userId, code);
    await r.services.redis.set(key, 'token of another call', 'PX', 10_000);

    const typed = ` ${code.toLowerCase()}`;

    expect((await refusalOf(r.redeem(userId, typed))).code).toBe('REDEMPTION_IN_PROGRESS');
    expect(await r.services.redis.get(key)).toBe('token of another call');
  });

  it('is held while the order is created, for at most 10 s, and then released', async () => {
    const { code } = await newCode(r.services);
    const userId = await r.user();
    const key = lockKey(r, userId, code);
    let ttl = 0;
    armed('dispatchOrders.beforeCache', async () => {
      ttl = await r.services.redis.pttl(key);
    });

    await r.redeem(userId, code);

    expect(ttl).toBeGreaterThan(5_000);
    expect(ttl).toBeLessThanOrEqual(10_000);
    expect(await r.services.redis.exists(key)).toBe(0);
  });

  it('that expired and is now held by another call is not released', async () => {
    const { code } = await newCode(r.services);
    const userId = await r.user();
    const key = lockKey(r, userId, code);
    armed(
      'dispatchOrders.beforeCache',
      async () => void (await r.services.redis.set(key, 'token of another call')),
    );

    await r.redeem(userId, code);

    expect(await r.services.redis.get(key)).toBe('token of another call');
  });

  it('does not block other codes of the user or other users of the code', async () => {
    const [one, two] = [await newCode(r.services, { code: { maxUses: 2 } }), await newCode(r.services)];
    const [userId, other] = [await r.user(), await r.user()];
    await r.services.redis.set(lockKey(r, userId, one.code), 'held', 'PX', 10_000);

    expect((await r.redeem(userId, two.code)).status).toBe('PAID');
    expect((await r.redeem(other, one.code)).status).toBe('PAID');
  });
});
