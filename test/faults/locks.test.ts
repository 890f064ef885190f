import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Order } from '../../src/generated/prisma/client.ts';
import { armed, eventually, type Redeeming, startRedeeming } from '../modules/redemption/redeeming.ts';
import { newCode } from '../support/codes.ts';
import { buildSession } from '../support/factories.ts';
import { scale } from './lab/profile.ts';

const USERS = 12;
const ROUNDS = scale(8, 60);

let one: Redeeming;
let other: Redeeming['redeem'];
beforeAll(async () => {
  one = await startRedeeming({ lock: false });
  other = one.elsewhere();
});
afterAll(() => one?.close());

/** How often PostgreSQL has had to break a deadlock in this database. */
async function deadlocks(): Promise<number> {
  const [row] = await one.services.db.$queryRaw<[{ deadlocks: bigint }]>`
    SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`;
  return Number(row.deadlocks);
}

/** Everybody who waits for a lock that another transaction holds. */
async function isAnybodyWaiting(): Promise<boolean> {
  const rows = await one.services.db.$queryRaw<unknown[]>`
    SELECT pid FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`;
  return rows.length > 0;
}

describe('the locks of a redemption', () => {
  it.each(['acceptOrders.beforeCommit', 'activateOrders.beforeCommit'])(
    'held at %s let others refer to the same user and code',
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

      // A login inserts a row that refers to the user; it would wait for three seconds and then fail.
      const logIn = buildSession(one.services.db, { userId });

      await expect(logIn).resolves.toMatchObject({ userId });
      expect(await isAnybodyWaiting()).toBe(false);
      release?.();
      await holding;
    },
  );

  it('are taken in one order: many who redeem and activate for each other in opposite orders never deadlock', async () => {
    const before = await deadlocks();
    const users = await Promise.all(Array.from({ length: USERS }, () => one.user()));
    for (let round = 0; round < ROUNDS; round++) {
      const { code } = await newCode(one.services, { code: { maxUses: USERS * 2 } });
      const { code: second } = await newCode(one.services, { code: { maxUses: USERS * 2 } });
      const there = users.map((userId) => one.redeem(userId, code));
      const back = [...users].reverse().map((userId) => other(userId, second));
      const orders: Order[] = await Promise.all([...there, ...back]);
      await Promise.all([one.activate(...orders), one.activate(...[...orders].reverse())]);
    }
    // The statistics come a moment later.
    await one.services.db.$queryRaw`SELECT pg_stat_force_next_flush()::text`;

    expect(await deadlocks()).toBe(before);
  }, 120_000);
});
