import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  lockCodes,
  lockOrders,
  lockOrdersAndOwners,
  lockUsers,
  lockUsersAndCodes,
} from '../../../src/modules/kernel/locks.ts';
import { lookupsOf } from '../../../src/modules/redemption/code/code-vault.ts';
import { normalizeCode } from '../../../src/modules/redemption/code/redemption-code.ts';
import { pollUntil } from '../../../src/platform/concurrency/poll-until.ts';
import type { Database, Transaction } from '../../../src/platform/database/database.ts';
import { countWaiting } from '../../support/blocked-work.ts';
import { newCode } from '../../support/codes.ts';
import { buildOrder } from '../../support/factories.ts';
import { createGate } from '../../support/gate.ts';
import { type Redeeming, startRedeeming } from '../../support/redeeming.ts';

let r: Redeeming;
let db: Database;
beforeAll(async () => {
  r = await startRedeeming();
  ({ db } = r.services);
});
afterAll(() => r?.close());

/** Keeps a transaction open after `lock` until the returned function is called. */
async function held(lock: (tx: Transaction) => Promise<unknown>): Promise<() => Promise<void>> {
  const [locked, release] = [createGate(), createGate()];
  const done = db.$transaction(async (tx) => {
    await lock(tx);
    locked.pass();
    await release.passed;
  });
  await locked.passed;
  return async () => {
    release.pass();
    await done;
  };
}

/** Whether a row can be locked at once. */
async function isFree(table: 'orders' | 'redemption_codes' | 'users', id: string): Promise<boolean> {
  const query = `SELECT id FROM ${table} WHERE id = '${id}' FOR NO KEY UPDATE SKIP LOCKED`;
  return (await db.$queryRawUnsafe<unknown[]>(query)).length === 1;
}

const isWaiting = () => pollUntil(async () => (await countWaiting(db)) > 0, 4_000);

describe('lockUsersAndCodes', () => {
  it('locks no code before it has all users', async () => {
    const [userId, code] = [await r.user(), await newCode(r.services)];
    const lookups = lookupsOf(r.services, normalizeCode(code.code, 'code'));
    const release = await held((tx) => lockUsers(tx, [userId]));

    const locking = held((tx) => lockUsersAndCodes(tx, { userIds: [userId], lookups }));
    expect(await isWaiting()).toBe(true);
    expect(await isFree('redemption_codes', code.id)).toBe(true);
    await release();
    const end = await locking;

    expect(await isFree('redemption_codes', code.id)).toBe(false);
    expect(await isFree('users', userId)).toBe(false);
    await end();
  });

  it.each([[[]], [['00'.repeat(32)]]])('locks the users if the codes are %j', async (lookups) => {
    const userId = await r.user();

    const end = await held((tx) => lockUsersAndCodes(tx, { userIds: [userId], lookups }));

    expect(await isFree('users', userId)).toBe(false);
    await end();
  });
});

describe('lockOrdersAndOwners', () => {
  it('locks no order before it has all owners', async () => {
    const { id, userId } = await buildOrder(db);
    const release = await held((tx) => lockUsers(tx, [userId]));

    const locking = held((tx) => lockOrdersAndOwners(tx, [id]));
    expect(await isWaiting()).toBe(true);
    expect(await isFree('orders', id)).toBe(true);
    await release();
    const end = await locking;

    expect(await isFree('orders', id)).toBe(false);
    expect(await isFree('users', userId)).toBe(false);
    await end();
  });

  it('returns the owner that a locked order has after the wait', async () => {
    const [{ id, userId }, next] = [await buildOrder(db), await r.user()];
    const release = await held(async (tx) => {
      await lockOrders(tx, [id]);
      await tx.order.update({ where: { id }, data: { userId: next } });
    });

    const locking = db.$transaction((tx) => lockOrdersAndOwners(tx, [id]));
    expect(await isWaiting()).toBe(true);
    await release();

    expect(await locking).toEqual({ lockedIds: new Set([userId]), ownerIds: [next] });
  });

  it('returns nothing for orders that do not exist', async () => {
    const missing = await r.user();

    const found = await db.$transaction((tx) => lockOrdersAndOwners(tx, [missing]));

    expect(found).toEqual({ lockedIds: new Set(), ownerIds: [] });
  });
});

describe('an activation', () => {
  it('waits for a code that it changes, and counts on from there', async () => {
    const code = await newCode(r.services, { code: { maxUses: 5 } });
    const [one, other] = [
      await r.redeem(await r.user(), code.code),
      await r.redeem(await r.user(), code.code),
    ];
    const release = await held(async (tx) => {
      await lockCodes(tx, [code.id]);
      await tx.redemptionCode.update({ where: { id: code.id }, data: { usedCount: 1 } });
    });

    const activating = r.activate(one, other);
    expect(await isWaiting()).toBe(true);
    await release();
    await activating;

    expect(await r.uses(code.id)).toEqual({ usedCount: 3, reservedCount: 0 });
  });
});
