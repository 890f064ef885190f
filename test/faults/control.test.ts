import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { RunningServices } from '../../src/platform/services.ts';
import { newCode } from '../support/codes.ts';
import { buildUser } from '../support/factories.ts';
import { checkInvariants } from '../support/invariants.ts';
import { naiveActivate, naiveRedeem } from '../support/lab/naive.ts';
import { createTestServices } from '../support/services.ts';

const USERS = 30;
const USES = 5;

let services: RunningServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services?.close());

describe('the naive flow', () => {
  it('is found out: too much is promised, and the count is not what was redeemed', async () => {
    const { db } = services;
    const { id: codeId } = await newCode(services, { code: { maxUses: USES } });
    const users = await Promise.all(Array.from({ length: USERS }, () => buildUser(db)));

    const orders = await Promise.all(users.map(({ id: userId }) => naiveRedeem(db, { userId, codeId })));
    const promised = await checkInvariants(db);
    await Promise.allSettled(orders.map((order) => naiveActivate(db, order)));
    const redeemed = await checkInvariants(db);

    expect(promised.join()).toContain('a code is reserved as often as there are PAID orders for it');
    expect(redeemed.join()).toContain('a code is used as often as there are records of it');
    expect(await db.redemption.count({ where: { codeId } })).toBeGreaterThan(USES);
  });
});
