import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Order } from '../../src/generated/prisma/client.ts';
import { lockUsers } from '../../src/modules/kernel/locks.ts';
import { countWaiting, runBlocked } from '../support/blocked-work.ts';
import { newCode } from '../support/codes.ts';
import { buildSession } from '../support/factories.ts';
import { scale } from '../support/lab/profile.ts';
import { armed, eventually, type Redeeming, startRedeeming } from '../support/redeeming.ts';

const USERS = 12;
const ROUNDS = scale(8, 60);

let one: Redeeming;
let other: Redeeming['redeem'];
beforeAll(async () => {
  one = await startRedeeming({ lock: false });
  other = one.elsewhere();
});
afterAll(() => one?.close());

/** The number of deadlocks that PostgreSQL has detected in this database. */
async function deadlocks(): Promise<number> {
  const [row] = await one.services.db.$queryRaw<[{ deadlocks: bigint }]>`
    SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`;
  return Number(row.deadlocks);
}

describe('the row locks of a redemption', () => {
  it.each(['acceptOrders.beforeCommit', 'activateOrders.beforeCommit'])(
    'do not block foreign keys to the same user and code when held at %s',
    async (point) => {
      const [userId, { code }] = [await one.user(), await newCode(one.services, { code: { maxUses: 2 } })];
      const activated = await one.redeem(userId, (await newCode(one.services)).code);
      let release: (() => void) | undefined;
      const disarm = armed(
        point,
        () =>
          new Promise<void>((resolve) => {
            release = resolve;
          }),
      );
      const holding = point.startsWith('accept') ? one.redeem(userId, code) : one.activate(activated);
      await eventually(() => release !== undefined);
      disarm();

      // A login inserts a row that references the user. If blocked, it would fail after three
      // seconds.
      const logIn = buildSession(one.services.db, { userId });

      await expect(logIn).resolves.toMatchObject({ userId });
      expect(await countWaiting(one.services.db)).toBe(0);
      release?.();
      await holding;
    },
  );

  it('never deadlock when groups lock the same users in opposite input order', async () => {
    const before = await deadlocks();
    const users = await Promise.all(Array.from({ length: USERS }, () => one.user()));
    // A third transaction blocks both, so that each has locked some users when the other requests
    // them.
    const blocker = [...users].sort()[USERS / 2] ?? '';
    const meet = async (work: () => Promise<unknown>) => {
      const met = await runBlocked(one.services.db, (tx) => lockUsers(tx, [blocker]), work, 2);
      expect(met.status).toBe('fulfilled');
    };
    for (let round = 0; round < ROUNDS; round++) {
      const { code } = await newCode(one.services, { code: { maxUses: USERS * 2 } });
      const { code: second } = await newCode(one.services, { code: { maxUses: USERS * 2 } });
      const orders: Order[] = [];
      await meet(async () => {
        const there = users.map((userId) => one.redeem(userId, code));
        const back = [...users].reverse().map((userId) => other(userId, second));
        orders.push(...(await Promise.all([...there, ...back])));
      });
      await meet(() => Promise.all([one.activate(...orders), one.activate(...[...orders].reverse())]));
      const done = { id: { in: orders.map(({ id }) => id) }, status: 'FINISHED' as const };
      expect(await one.services.db.order.count({ where: done })).toBe(USERS * 2);
    }
    // PostgreSQL flushes its statistics with a delay.
    await one.services.db.$queryRaw`SELECT pg_stat_force_next_flush()::text`;

    expect(await deadlocks()).toBe(before);
  }, 120_000);
});
