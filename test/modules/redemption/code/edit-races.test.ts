import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deleteRedemptionCodes } from '../../../../src/modules/redemption/code/delete-redemption-codes.ts';
import { setRedemptionCodesEnabled } from '../../../../src/modules/redemption/code/set-redemption-codes-enabled.ts';
import { updateRedemptionCode } from '../../../../src/modules/redemption/code/update-redemption-code.ts';
import { newCode } from '../../../support/codes.ts';
import { buildUser } from '../../../support/factories.ts';
import { checkInvariants } from '../../../support/invariants.ts';
import { overlapping, type Redeeming, refusalOf, startRedeeming, tally } from '../../../support/redeeming.ts';

let one: Redeeming;
let actorId: string;
beforeAll(async () => {
  one = await startRedeeming({ lock: false });
  actorId = (await buildUser(one.services.db, { role: 'ADMIN' })).id;
});
afterAll(() => one.close());

const USERS = 60;

/**
 * Redeems a code for many users in two processes while an admin changes it, then activates all
 * orders.
 */
async function redeemedDuring(change: (code: { id: string; batchId: string }) => Promise<unknown>) {
  const { id, batchId, code } = await newCode(one.services, {
    batch: { unitTime: 'DAY' },
    code: { maxUses: USERS },
  });
  const { db } = one.services;
  const users = await db.user.createManyAndReturn({ data: Array.from({ length: USERS }, () => ({})) });
  const redeems = [one.redeem, one.elsewhere()] as const;
  const attempts = users.map(({ id: userId }, place) => redeems[place % 2 === 0 ? 0 : 1](userId, code));
  const changed = Promise.allSettled([change({ id, batchId })]);
  const counts = await tally(attempts);
  const [outcome] = await changed;
  const late = await tally([one.redeem((await buildUser(db)).id, code)]);
  await one.activate(...(await db.order.findMany({ where: { codeId: id, status: 'PAID' } })));
  expect(await checkInvariants(db)).toEqual([]);
  const accepted = counts.OK ?? 0;
  expect(await one.uses(id)).toEqual({ usedCount: accepted, reservedCount: 0 });
  expect(await db.order.count({ where: { codeId: id, status: 'FINISHED' } })).toBe(accepted);
  return { id, counts, late, outcome };
}

describe('a code that many users redeem', () => {
  it('is refused once it is disabled, and accepted orders are still activated', async () => {
    const { counts, late } = await redeemedDuring(({ id }) =>
      setRedemptionCodesEnabled(one.services, { actorId, ids: [id], enabled: false }),
    );
    expect(['OK', 'CODE_DISABLED']).toEqual(expect.arrayContaining(Object.keys(counts)));
    expect(late).toEqual({ CODE_DISABLED: 1 });
  });

  it('is refused once its batch is disabled, and accepted orders are still activated', async () => {
    const { counts, late } = await redeemedDuring(({ batchId }) =>
      setRedemptionCodesEnabled(one.services, { actorId, batchId, enabled: false }),
    );
    expect(['OK', 'CODE_DISABLED']).toEqual(expect.arrayContaining(Object.keys(counts)));
    expect(late).toEqual({ CODE_DISABLED: 1 });
  });

  it('is refused once it is deleted, and accepted orders are activated and recorded', async () => {
    const { id, counts, late } = await redeemedDuring((code) =>
      deleteRedemptionCodes(one.services, { actorId, ids: [code.id] }),
    );
    expect(['OK', 'CODE_NOT_FOUND']).toEqual(expect.arrayContaining(Object.keys(counts)));
    expect(late).toEqual({ CODE_NOT_FOUND: 1 });
    expect(await one.services.db.redemption.count({ where: { codeId: id } })).toBe(counts.OK ?? 0);
  });

  it('is refused once its batch is deleted, and accepted orders are still activated', async () => {
    const { counts, late } = await redeemedDuring(({ batchId }) =>
      deleteRedemptionCodes(one.services, { actorId, batchId }),
    );
    expect(['OK', 'CODE_NOT_FOUND']).toEqual(expect.arrayContaining(Object.keys(counts)));
    expect(late).toEqual({ CODE_NOT_FOUND: 1 });
  });

  it('never gets a maxUses below the number of accepted orders', async () => {
    const lowered = await Promise.all(
      [1, 20, 40].map((maxUses) =>
        redeemedDuring(({ id }) => updateRedemptionCode(one.services, { actorId, id, input: { maxUses } })),
      ),
    );
    for (const { counts, outcome } of lowered) {
      expect(['OK', 'CODE_EXHAUSTED']).toEqual(expect.arrayContaining(Object.keys(counts)));
      if (outcome?.status === 'rejected') expect(outcome.reason).toMatchObject({ code: 'BAD_USER_INPUT' });
    }
  });
});

describe('an edit of a code', () => {
  const update = (id: string, input: Parameters<typeof updateRedemptionCode>[1]['input']) =>
    updateRedemptionCode(one.services, { actorId, id, input });

  it('is refused if a concurrent edit of the same version commits first', async () => {
    const { id } = await newCode(one.services);

    const late = overlapping(one.services, 'updateRedemptionCode.beforeCommit', {
      first: () => update(id, { version: 1, note: 'first' }),
      second: () => update(id, { version: 1, note: 'second' }),
    });

    expect((await refusalOf(late)).code).toBe('EDIT_CONFLICT');
    const code = await one.services.db.redemptionCode.findUniqueOrThrow({ where: { id } });
    expect(code).toMatchObject({ note: 'first', version: 2 });
  });

  it('takes into account a use that is being reserved concurrently', async () => {
    const { id, code } = await newCode(one.services, { code: { maxUses: 5 } });
    await one.redeem(await one.user(), code);
    const userId = await one.user();

    const late = overlapping(one.services, 'acceptOrders.beforeCommit', {
      first: () => one.redeem(userId, code),
      second: () => update(id, { maxUses: 1 }),
    });

    expect((await refusalOf(late)).code).toBe('BAD_USER_INPUT');
    expect(await one.uses(id)).toEqual({ usedCount: 0, reservedCount: 2 });
  });
});
