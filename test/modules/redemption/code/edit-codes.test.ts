import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  CreateRedemptionCodesDocument,
  DeleteRedemptionCodesDocument,
  type DeleteRedemptionCodesMutationVariables,
  RedeemCodeDocument,
  RedemptionCodesDocument,
  SetRedemptionCodesEnabledDocument,
  UpdateRedemptionCodeDocument,
  type UpdateRedemptionCodeInput,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { newCode } from '../../../support/codes.ts';
import { buildBatch, buildCode, buildPlan, inDays, unique } from '../../../support/factories.ts';

let api: TestApi;
let admin: TestUser;
let user: TestUser;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
  user = await api.newUser();
});
afterAll(() => api.close());

const update = async (id: string, input: UpdateRedemptionCodeInput) =>
  (await admin.get(UpdateRedemptionCodeDocument, { id, input })).updateRedemptionCode;
const refusedUpdate = async (id: string, input: UpdateRedemptionCodeInput) =>
  (await admin.refused(UpdateRedemptionCodeDocument, { id, input })).extensions;
type Selection = DeleteRedemptionCodesMutationVariables;
const remove = async (selection: Selection) =>
  (await admin.get(DeleteRedemptionCodesDocument, selection)).deleteRedemptionCodes;
const setEnabled = async (enabled: boolean, selection: Selection) =>
  (await admin.get(SetRedemptionCodesEnabledDocument, { enabled, ...selection })).setRedemptionCodesEnabled;
const redeem = async (code: string) => {
  const { errors } = await user.ask(RedeemCodeDocument, { input: { code } });
  return errors?.[0]?.extensions.code ?? 'OK';
};
const audited = (targetId: string) =>
  api.services.db.auditEntry.findMany({ where: { targetId }, orderBy: { id: 'asc' } });
const someCode = (overrides: Parameters<typeof newCode>[1] = {}) => newCode(api.services, overrides);
/** A batch with `count` codes that have no known plaintext. */
async function someBatch(count: number) {
  const batch = await buildBatch(api.services.db, { count, created: count });
  const codes = [];
  for (let made = 0; made < count; made++)
    codes.push(await buildCode(api.services.db, { batchId: batch.id }));
  return { id: batch.id, codes: codes.map(({ id }) => id) };
}

describe('updateRedemptionCode', () => {
  it('changes only the given fields and audits them before and after', async () => {
    const { id } = await someCode({ code: { note: 'kept' } });
    const expiresAt = inDays(3).toISOString();

    expect(await update(id, { maxUses: 5, expiresAt })).toMatchObject({
      ...{ id, enabled: true, maxUses: 5, expiresAt, note: 'kept', version: 2 },
    });
    expect(await update(id, { enabled: false, maxUses: null, expiresAt: null, note: null })).toMatchObject({
      ...{ enabled: false, maxUses: null, expiresAt: null, note: null, version: 3 },
    });

    const entries = await audited(id);
    expect(entries).toMatchObject([
      {
        action: 'updateRedemptionCode',
        actorId: admin.userId,
        before: { maxUses: 1, expiresAt: null },
        after: { maxUses: 5, expiresAt },
      },
      { before: { enabled: true, note: 'kept' }, after: { enabled: false, note: null, maxUses: null } },
    ]);
  });

  it('prevents a code from being redeemed and allows it again', async () => {
    const { id, code } = await someCode();
    await update(id, { enabled: false });
    expect(await redeem(code)).toBe('CODE_DISABLED');
    await update(id, { enabled: true, expiresAt: inDays(-1).toISOString() });
    expect(await redeem(code)).toBe('CODE_EXPIRED');
    await update(id, { expiresAt: null });
    expect(await redeem(code)).toBe('OK');
  });

  it('refuses a maxUses below the redeemed and reserved uses and names the field', async () => {
    const { id } = await someCode({ code: { maxUses: 9, usedCount: 2, reservedCount: 1 } });

    expect(await refusedUpdate(id, { maxUses: 2 })).toMatchObject({
      ...{ code: 'BAD_USER_INPUT', field: 'input.maxUses' },
    });
    expect(await update(id, { maxUses: 3 })).toMatchObject({ maxUses: 3, version: 2 });
  });

  it('applies one of several concurrent edits of one version and refuses the others', async () => {
    const { id } = await someCode();
    const edits = await Promise.all(
      [5, 6, 7, 8].map((maxUses) =>
        admin.ask(UpdateRedemptionCodeDocument, { id, input: { version: 1, maxUses } }),
      ),
    );

    const won = edits.filter(({ errors }) => !errors);
    expect(won).toHaveLength(1);
    for (const { errors } of edits) {
      if (errors) expect(errors[0]?.extensions).toMatchObject({ code: 'EDIT_CONFLICT', retryable: false });
    }
    const code = await api.services.db.redemptionCode.findUniqueOrThrow({ where: { id } });
    expect(code).toMatchObject({ maxUses: won[0]?.data?.updateRedemptionCode.maxUses, version: 2 });
    expect(await audited(id)).toHaveLength(1);
  });

  it('overwrites earlier edits if no version is given', async () => {
    const { id } = await someCode();
    await update(id, { note: 'one' });
    expect(await update(id, { note: 'two' })).toMatchObject({ note: 'two', version: 3 });
    expect(await refusedUpdate(id, { version: 2, note: 'three' })).toMatchObject({ code: 'EDIT_CONFLICT' });
  });

  it.each<[string, UpdateRedemptionCodeInput, string]>([
    ['0 uses', { maxUses: 0 }, 'input.maxUses'],
    ['-1 uses', { maxUses: -1 }, 'input.maxUses'],
    ['a note of 1,001 characters', { note: 'n'.repeat(1_001) }, 'input.note'],
  ])('refuses %s', async (_, input, field) => {
    const { id } = await someCode();
    expect(await refusedUpdate(id, input)).toMatchObject({ code: 'BAD_USER_INPUT', field });
    expect(await audited(id)).toEqual([]);
  });

  it('fails with NOT_FOUND for deleted codes, codes of deleted batches and unknown ids', async () => {
    const deleted = await someCode({ code: { deletedAt: inDays(0) } });
    const ofDeleted = await someCode({ batch: { deletedAt: inDays(0) } });
    for (const id of [deleted.id, ofDeleted.id, randomUUID(), 'x']) {
      expect((await refusedUpdate(id, { note: 'x' })).code).toBe('NOT_FOUND');
    }
  });
});

describe('setRedemptionCodesEnabled', () => {
  it('changes codes by id, returns how many changed and audits each', async () => {
    const { codes } = await someBatch(3);
    expect(await setEnabled(false, { ids: codes.slice(0, 2) })).toBe(2);

    expect(await setEnabled(false, { ids: [...codes, ...codes, randomUUID()] })).toBe(1);

    expect(await setEnabled(false, { ids: codes })).toBe(0);
    for (const id of codes) {
      expect(await audited(id)).toMatchObject([
        {
          action: 'setRedemptionCodesEnabled',
          actorId: admin.userId,
          before: { enabled: true },
          after: { enabled: false },
        },
      ]);
    }
    const id = codes[0] ?? '';
    const code = await api.services.db.redemptionCode.findUniqueOrThrow({ where: { id } });
    expect(code).toMatchObject({ enabled: false, version: 2 });
  });

  it('changes a batch in one row and leaves the flags of its codes alone', async () => {
    const { id, codes } = await someBatch(3);
    await setEnabled(false, { ids: codes.slice(0, 1) });
    await remove({ ids: codes.slice(1, 2) });
    const typed = await someCode();

    expect(await setEnabled(false, { batchId: id })).toBe(2);
    expect(await setEnabled(false, { batchId: id })).toBe(0);
    expect(await setEnabled(false, { batchId: typed.batchId })).toBe(1);
    expect(await redeem(typed.code)).toBe('CODE_DISABLED');
    expect(await setEnabled(true, { ids: [typed.id] })).toBe(0);
    expect(await redeem(typed.code)).toBe('CODE_DISABLED');
    expect(await setEnabled(true, { batchId: typed.batchId })).toBe(1);
    expect(await redeem(typed.code)).toBe('OK');

    const rows = await api.services.db.redemptionCode.findMany({
      where: { batchId: id },
      orderBy: { id: 'asc' },
    });
    expect(rows.map(({ enabled, version }) => [enabled, version])).toEqual([
      [false, 2],
      [true, 2],
      [true, 1],
    ]);
    expect(await audited(id)).toHaveLength(1);
  });
});

describe('deleteRedemptionCodes', () => {
  it('deletes codes by id, so that they cannot be found or redeemed, and audits each', async () => {
    const [one, other] = [await someCode(), await someCode()];

    expect(await remove({ ids: [one.id, other.id, one.id] })).toBe(2);

    expect(await remove({ ids: [one.id] })).toBe(0);
    expect(await redeem(one.code)).toBe('CODE_NOT_FOUND');
    const { redemptionCodes } = await admin.get(RedemptionCodesDocument, { filter: { code: one.code } });
    expect(redemptionCodes?.totalCount).toBe(0);
    expect(await audited(one.id)).toMatchObject([
      {
        action: 'deleteRedemptionCodes',
        actorId: admin.userId,
        before: { batchId: one.batchId },
        after: null,
      },
    ]);
  });

  it('deletes a batch with all of its codes in one row', async () => {
    const { id, codes } = await someBatch(3);
    await remove({ ids: codes.slice(0, 1) });
    const typed = await someCode();

    expect(await remove({ batchId: id })).toBe(2);
    expect(await remove({ batchId: typed.batchId })).toBe(1);

    expect(await redeem(typed.code)).toBe('CODE_NOT_FOUND');
    const { redemptionCodes } = await admin.get(RedemptionCodesDocument, { filter: { batchId: id } });
    expect(redemptionCodes?.nodes).toEqual([]);
    expect(await audited(id)).toMatchObject([{ action: 'deleteRedemptionCodes', before: { codes: 2 } }]);
    const again = await admin.refused(DeleteRedemptionCodesDocument, { batchId: id });
    expect(again.extensions).toMatchObject({ code: 'NOT_FOUND' });
  });

  it('allows codes to be imported again after they were deleted by id or with their batch', async () => {
    const planId = (await buildPlan(api.services.db)).id;
    const codes = [unique('AGAIN'), unique('AGAIN')].map((code) => code.slice(0, 30));
    const input = { planId, unitTime: 'DAY', quantity: 1, codes } as const;
    const imported = async () =>
      (await admin.get(CreateRedemptionCodesDocument, { input })).createRedemptionCodes.id;
    const first = await imported();
    const { redemptionCodes } = await admin.get(RedemptionCodesDocument, { filter: { batchId: first } });
    await remove({ ids: redemptionCodes?.nodes.map(({ id }) => id) ?? [] });
    const second = await imported();
    expect(await redeem(codes[0] ?? '')).toBe('OK');
    await remove({ batchId: second });

    const third = await imported();

    expect(await redeem(codes[0] ?? '')).toBe('OK');
    const { redemptionCodes: now } = await admin.get(RedemptionCodesDocument, {
      filter: { code: codes[0] ?? '' },
    });
    expect(now?.nodes).toMatchObject([{ batch: { id: third } }]);
    const taken = await admin.refused(CreateRedemptionCodesDocument, { input });
    expect(taken.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.codes.0' });
  });
});

describe('setRedemptionCodesEnabled and deleteRedemptionCodes', () => {
  const ask = async (selection: Selection) => {
    const deleted = (await admin.refused(DeleteRedemptionCodesDocument, selection)).extensions;
    const switched = (await admin.refused(SetRedemptionCodesEnabledDocument, { enabled: true, ...selection }))
      .extensions;
    expect([switched.code, switched.field]).toEqual([deleted.code, deleted.field]);
    return [deleted.code, deleted.field];
  };

  it('take either a batch or 1 to 1,000 ids', async () => {
    const { id } = await someBatch(1);
    const many = (count: number) => Array.from({ length: count }, () => randomUUID());
    expect(await ask({})).toEqual(['BAD_USER_INPUT', 'ids']);
    expect(await ask({ ids: null, batchId: null })).toEqual(['BAD_USER_INPUT', 'ids']);
    expect(await ask({ ids: many(1), batchId: id })).toEqual(['BAD_USER_INPUT', 'ids']);
    expect(await ask({ ids: [] })).toEqual(['BAD_USER_INPUT', 'ids']);
    expect(await ask({ ids: many(1_001) })).toEqual(['BAD_USER_INPUT', 'ids']);
    expect(await ask({ ids: ['x'] })).toEqual(['NOT_FOUND', 'ids']);
    expect(await ask({ batchId: 'x' })).toEqual(['NOT_FOUND', 'batchId']);
    expect(await ask({ batchId: randomUUID() })).toEqual(['NOT_FOUND', 'batchId']);
    expect(await setEnabled(true, { ids: many(1_000) })).toBe(0);
  });
});
