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

describe('the invariants', () => {
  it('detect a naive implementation that over-reserves a code and miscounts its uses', async () => {
    const { db } = services;
    const { id: codeId } = await newCode(services, { code: { maxUses: USES } });
    const users = await Promise.all(Array.from({ length: USERS }, () => buildUser(db)));

    const orders = await Promise.all(users.map(({ id: userId }) => naiveRedeem(db, { userId, codeId })));
    const afterRedeeming = await checkInvariants(db);
    await Promise.allSettled(orders.map((order) => naiveActivate(db, order)));
    const afterActivating = await checkInvariants(db);

    expect(afterRedeeming.join()).toContain('reserved_count of a code equals its number of PAID orders');
    expect(afterActivating.join()).toContain('used_count of a code equals its number of redemptions');
    expect(await db.redemption.count({ where: { codeId } })).toBeGreaterThan(USES);
  });
});
