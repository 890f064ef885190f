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

/** Many users redeem a code, in two processes, while an admin changes it; then all that was accepted is activated. */
async function redeemedDuring(change: (code: { id: string; batchId: string }) => Promise<unknown>) {
  const { id, batchId, code } = await newCode(one.services, {
    batch: { unitTime: 'DAY' },
    code: { maxUses: USERS },
  });
  const { db } = one.services;
  const users = await db.user.createManyAndReturn({ data: Array.from({ length: USERS }, () => ({})) });
  const redeems = [one.redeem, one.elsewhere()] as const;
  const asked = users.map(({ id: userId }, place) => redeems[place % 2 === 0 ? 0 : 1](userId, code));
  const changed = Promise.allSettled([change({ id, batchId })]);
  const counts = await tally(asked);
  const [outcome] = await changed;
  const late = await tally([one.redeem((await buildUser(db)).id, code)]);
  await one.activate(...(await db.order.findMany({ where: { codeId: id, status: 'PAID' } })));
  expect(await checkInvariants(db)).toEqual([]);
  const accepted = counts.OK ?? 0;
  expect(await one.uses(id)).toEqual({ usedCount: accepted, reservedCount: 0 });
  expect(await db.order.count({ where: { codeId: id, status: 'FINISHED' } })).toBe(accepted);
  return { id, counts, late, outcome };
}

describe('a code that is redeemed', () => {
  it('while it is switched off: what was accepted is activated, and nothing after it', async () => {
    const { counts, late } = await redeemedDuring(({ id }) =>
      setRedemptionCodesEnabled(one.services, { actorId, ids: [id], enabled: false }),
    );
    expect(['OK', 'CODE_DISABLED']).toEqual(expect.arrayContaining(Object.keys(counts)));
    expect(late).toEqual({ CODE_DISABLED: 1 });
  });

  it('while its batch is switched off: the same', async () => {
    const { counts, late } = await redeemedDuring(({ batchId }) =>
      setRedemptionCodesEnabled(one.services, { actorId, batchId, enabled: false }),
    );
    expect(['OK', 'CODE_DISABLED']).toEqual(expect.arrayContaining(Object.keys(counts)));
    expect(late).toEqual({ CODE_DISABLED: 1 });
  });

  it('while it is deleted: the same, and the records stay', async () => {
    const { id, counts, late } = await redeemedDuring((code) =>
      deleteRedemptionCodes(one.services, { actorId, ids: [code.id] }),
    );
    expect(['OK', 'CODE_NOT_FOUND']).toEqual(expect.arrayContaining(Object.keys(counts)));
    expect(late).toEqual({ CODE_NOT_FOUND: 1 });
    expect(await one.services.db.redemption.count({ where: { codeId: id } })).toBe(counts.OK ?? 0);
  });

  it('while its batch is deleted: the same', async () => {
    const { counts, late } = await redeemedDuring(({ batchId }) =>
      deleteRedemptionCodes(one.services, { actorId, batchId }),
    );
    expect(['OK', 'CODE_NOT_FOUND']).toEqual(expect.arrayContaining(Object.keys(counts)));
    expect(late).toEqual({ CODE_NOT_FOUND: 1 });
  });

  it('while its uses are lowered: to no fewer than were accepted', async () => {
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

describe('an edit', () => {
  const update = (id: string, input: Parameters<typeof updateRedemptionCode>[1]['input']) =>
    updateRedemptionCode(one.services, { actorId, id, input });

  it('that meets another one of the same version is refused', async () => {
    const { id } = await newCode(one.services);

    const late = overlapping(one.services, 'updateRedemptionCode.beforeCommit', {
      first: () => update(id, { version: 1, note: 'first' }),
      second: () => update(id, { version: 1, note: 'second' }),
    });

    expect((await refusalOf(late)).code).toBe('EDIT_CONFLICT');
    const code = await one.services.db.redemptionCode.findUniqueOrThrow({ where: { id } });
    expect(code).toMatchObject({ note: 'first', version: 2 });
  });

  it('sees the use that is being promised', async () => {
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
