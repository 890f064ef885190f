import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRedemptionCodes } from '../../../../src/modules/redemption/batch/create-redemption-codes.ts';
import { createSecrets } from '../../../../src/platform/keys/secrets.ts';
import {
  CreateRedemptionCodesDocument,
  type CreateRedemptionCodesInput,
  RedeemCodeDocument,
  type RedemptionCodeFilter,
  RedemptionCodesDocument,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { newCode } from '../../../support/codes.ts';
import { buildPlan, inDays, unique } from '../../../support/factories.ts';
import { TEST_SECRET_KEY } from '../../../support/services.ts';

let api: TestApi;
let admin: TestUser;
let planId: string;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
  planId = (await buildPlan(api.services.db)).id;
});
afterAll(() => api.close());

const inputOf = (overrides: Partial<CreateRedemptionCodesInput> = {}): CreateRedemptionCodesInput => ({
  planId,
  unitTime: 'MONTH',
  quantity: 1,
  ...(overrides.codes ? { allowGuessable: true } : { count: 3 }),
  ...overrides,
});

async function create(overrides: Partial<CreateRedemptionCodesInput> = {}) {
  const made = await admin.get(CreateRedemptionCodesDocument, { input: inputOf(overrides) });
  return made.createRedemptionCodes;
}

async function list(filter: RedemptionCodeFilter, first = 100) {
  const { redemptionCodes } = await admin.get(RedemptionCodesDocument, { filter, first });
  if (!redemptionCodes) throw new Error('no list');
  return redemptionCodes;
}

describe('createRedemptionCodes', () => {
  it('creates a batch of codes that can be redeemed as soon as it returns', async () => {
    const expiresAt = inDays(9).toISOString();
    const batch = await create({
      unitTime: 'HALF_YEAR',
      quantity: 2,
      expiresAt,
      label: 'Fair',
      note: 'Hall 3',
    });

    expect(batch).toMatchObject({
      ...{
        plan: { id: planId },
        unitTime: 'HALF_YEAR',
        quantity: 2,
        maxUses: 1,
        count: 3,
        created: 3,
        ready: true,
      },
      ...{ label: 'Fair', note: 'Hall 3', expiresAt },
    });
    const { nodes, totalCount } = await list({ batchId: batch.id });
    expect(totalCount).toBe(3);
    for (const code of nodes) {
      expect(code.code).toMatch(/^([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}$/);
      expect(code).toMatchObject({
        ...{ batch: { id: batch.id }, plan: { id: planId }, unitTime: 'HALF_YEAR', quantity: 2, expiresAt },
        ...{ enabled: true, maxUses: 1, usedCount: 0, reservedCount: 0, version: 1 },
      });
    }
    const user = await api.newUser();
    const { redeemCode } = await user.get(RedeemCodeDocument, { input: { code: nodes[0]?.code ?? '' } });
    expect(redeemCode).toMatchObject({ status: 'PAID', unitTime: 'HALF_YEAR', quantity: 2 });
    expect((await list({ id: nodes[0]?.id ?? '' })).nodes).toMatchObject([
      { usedCount: 0, reservedCount: 1 },
    ]);
  });

  it('generates 10,000 distinct codes before it returns', async () => {
    const batch = await create({ count: 10_000, maxUses: null });

    expect(batch).toMatchObject({ count: 10_000, created: 10_000, ready: true, maxUses: null });
    const [row] = await api.services.db.$queryRaw<[{ codes: bigint; lookups: bigint }]>`
      SELECT count(*) AS codes, count(DISTINCT lookup) AS lookups FROM redemption_codes WHERE batch_id = ${batch.id}::uuid`;
    expect(row).toEqual({ codes: 10_000n, lookups: 10_000n });
  });

  it('imports codes of other formats, which can be redeemed as typed', async () => {
    const batch = await create({ codes: ['welcome-2026', ' IMPORTED 99 '] });

    const { nodes } = await list({ batchId: batch.id });
    expect(nodes.map(({ code }) => code).toSorted()).toEqual(['1MP0-RTED-99', 'WE1C-0ME2-026']);
    const user = await api.newUser();
    const { redeemCode } = await user.get(RedeemCodeDocument, { input: { code: 'Welcome 2026' } });
    expect(redeemCode.status).toBe('PAID');
  });

  it('refuses to import a code that can be guessed unless the admin allows it, which is audited', async () => {
    const codes = ['K7Q2M9XW4RHB', 'ABC123'];
    const before = await api.services.db.redemptionBatch.count();
    for (const allowGuessable of [undefined, null, false]) {
      const input = { ...inputOf({ codes }), allowGuessable };
      const refusal = await admin.refused(CreateRedemptionCodesDocument, { input });
      expect(refusal.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.codes.1' });
      expect(refusal.message).toMatch(/can be guessed.*allowGuessable/);
    }
    expect(await api.services.db.redemptionBatch.count()).toBe(before);

    const batch = await create({ codes, allowGuessable: true });

    expect(batch).toMatchObject({ count: 2, ready: true });
    const [entry] = await api.services.db.auditEntry.findMany({ where: { targetId: batch.id } });
    expect(entry?.after).toMatchObject({ guessableCodes: 1 });
    expect(JSON.stringify(entry)).not.toContain('ABC123');
  });

  it('returns the batch of a retried import whether or not the retry allows codes that can be guessed', async () => {
    const input = { codes: ['DEF456'], idempotencyKey: unique('key') };
    const { id } = await create({ ...input, allowGuessable: true });

    expect((await create({ ...input, allowGuessable: false })).id).toBe(id);
  });

  it('shows at most a quarter of a short code in the record of its redemption', async () => {
    const code = 'XY12ZT';
    const { id: batchId } = await create({ codes: [code] });
    const user = await api.newUser();
    const { userId } = user;

    await user.get(RedeemCodeDocument, { input: { code } });

    const { db } = api.services;
    const hints = [
      await db.redemptionCode.findFirstOrThrow({ where: { batchId } }).then(({ hint }) => hint),
      await db.order.findFirstOrThrow({ where: { userId } }).then(({ codeHint }) => codeHint),
    ];
    expect(hints).toEqual(['***T', '***T']);
  });

  it('returns the same batch for the same idempotency key, even concurrently', async () => {
    const idempotencyKey = unique('key');

    const batches = await Promise.all(Array.from({ length: 4 }, () => create({ idempotencyKey, count: 5 })));

    expect(new Set(batches.map(({ id }) => id)).size).toBe(1);
    expect(await create({ idempotencyKey, count: 5 })).toEqual(batches[0]);
    expect((await list({ batchId: batches[0]?.id ?? '' })).totalCount).toBe(5);
  });

  it('returns the same batch when an import is retried instead of refusing its codes', async () => {
    const input = { idempotencyKey: unique('key'), codes: ['SENT-TWICE-1', 'SENT-TWICE-2'] };
    expect(await create(input)).toEqual(await create(input));
  });

  it('refuses an idempotency key that was used with other input', async () => {
    const idempotencyKey = unique('key');
    const codes = ['KEY-REUSED-1', 'KEY-REUSED-2'];
    const { id } = await create({ idempotencyKey, codes });
    const others: Partial<CreateRedemptionCodesInput>[] = [
      { codes: ['KEY-REUSED-1', 'KEY-REUSED-3'] },
      { codes: ['KEY-REUSED-1'] },
      { codes, quantity: 2 },
      { codes, unitTime: 'DAY' },
      { codes, maxUses: null },
      { codes, label: 'Another' },
      { codes, note: 'Another' },
      { codes, expiresAt: inDays(3).toISOString() },
      { codes, planId: (await buildPlan(api.services.db)).id },
      { count: 2 },
    ];

    for (const other of others) {
      const refusal = await admin.refused(CreateRedemptionCodesDocument, {
        input: inputOf({ ...other, idempotencyKey }),
      });
      expect([other, refusal.extensions.code]).toEqual([other, 'IDEMPOTENCY_KEY_REUSED']);
    }
    const again = { idempotencyKey, codes: ['key reused 2', 'KEYREUSED1'], planId: planId.toUpperCase() };
    expect((await create(again)).id).toBe(id);
  });

  it('returns the same batch for the same key after its plan was deleted', async () => {
    const plan = await buildPlan(api.services.db);
    const input = { planId: plan.id, idempotencyKey: unique('key') };
    const { id } = await create(input);
    await api.services.db.plan.update({ where: { id: plan.id }, data: { deletedAt: inDays(0) } });

    expect((await create(input)).id).toBe(id);
  });

  it('refuses to import a code that was sealed with the previous secret key', async () => {
    const old = createSecrets({ secretKey: 'previous key, long enough for a key: 0123456789' });
    const both = createSecrets({
      ...{
        secretKey: TEST_SECRET_KEY,
        previousSecretKey: 'previous key, long enough for a key: 0123456789',
      },
    });
    const input = inputOf({ codes: ['BEFORE-ROTATION'] }) as Parameters<
      typeof createRedemptionCodes
    >[1]['input'];
    await createRedemptionCodes({ ...api.services, secrets: old }, { actorId: null, input });

    const again = createRedemptionCodes({ ...api.services, secrets: both }, { actorId: null, input });

    await expect(again).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { field: 'input.codes.0' },
    });
  });

  it('audits the actor and the terms but no code', async () => {
    const batch = await create({ codes: ['SECRET-IN-AUDIT'] });

    const entries = await api.services.db.auditEntry.findMany({ where: { targetId: batch.id } });

    expect(entries).toMatchObject([
      {
        action: 'createRedemptionCodes',
        actorId: admin.userId,
        after: { planId, count: 1, unitTime: 'MONTH', quantity: 1 },
      },
    ]);
    expect(JSON.stringify(entries)).not.toMatch(/SECRET|1NAUD1T/i);
  });

  it('stores no code in plaintext', async () => {
    const { id: batchId } = await create({ count: 1 });
    const [made] = (await list({ batchId })).nodes;
    const code = (made?.code ?? '').replaceAll('-', '');

    const [{ row }] = await api.services.db.$queryRaw<[{ row: string }]>`
      SELECT to_jsonb(c)::text AS row FROM redemption_codes c WHERE batch_id = ${batchId}::uuid`;

    const { lookup, ciphertext, hint } = JSON.parse(row) as Record<string, string>;
    expect(hint).toBe(code.slice(-4));
    for (const stored of [lookup, ciphertext]) {
      const bytes = Buffer.from(String(stored).replace(/^\\x/, ''), 'hex');
      expect(bytes.includes(code)).toBe(false);
      expect(bytes.length).toBeGreaterThanOrEqual(32);
    }
    expect(row).not.toContain(code);
    expect(row).not.toContain(Buffer.from(code).toString('hex'));
  });

  it.each<[string, Partial<CreateRedemptionCodesInput>, string]>([
    ['neither a count nor codes', { count: null }, 'input.count'],
    ['both a count and codes', { count: 1, codes: ['ABCDEF'] }, 'input.count'],
    ['a count of 0', { count: 0 }, 'input.count'],
    ['a count of more than 1,000,000', { count: 1_000_001 }, 'input.count'],
    ['an empty list', { codes: [], count: null }, 'input.codes'],
    ['a quantity of 0', { quantity: 0 }, 'input.quantity'],
    ['a quantity of -1', { quantity: -1 }, 'input.quantity'],
    ['a quantity of more than 36,500', { quantity: 36_501 }, 'input.quantity'],
    ['0 uses', { maxUses: 0 }, 'input.maxUses'],
    ['a time in the past', { expiresAt: inDays(-1).toISOString() }, 'input.expiresAt'],
    ['an empty key', { idempotencyKey: '' }, 'input.idempotencyKey'],
    ['a key of 65 characters', { idempotencyKey: 'k'.repeat(65) }, 'input.idempotencyKey'],
    ['a label of 101 characters', { label: 'l'.repeat(101) }, 'input.label'],
    ['a code of 5 characters', { codes: ['ABCDEF', 'ABC12'] }, 'input.codes.1'],
    ['a code with ß', { codes: ['ABCDEß'] }, 'input.codes.0'],
    [
      'a code that occurs twice in different spellings',
      { codes: ['FOIL-FOIL', 'OTHER-ONE', 'f011 foi1'] },
      'input.codes.2',
    ],
  ])('refuses %s', async (_, overrides, field) => {
    const before = await api.services.db.redemptionBatch.count();

    const refusal = await admin.refused(CreateRedemptionCodesDocument, { input: inputOf(overrides) });

    expect(refusal.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
    expect(await api.services.db.redemptionBatch.count()).toBe(before);
  });

  it('refuses an import with a code that already exists and imports none of the others', async () => {
    await create({ codes: ['TAKEN-ALREADY'] });

    const refusal = await admin.refused(CreateRedemptionCodesDocument, {
      input: inputOf({ codes: ['STILL-FREE', 'taken already'] }),
    });

    expect(refusal.extensions).toMatchObject({
      ...{ code: 'BAD_USER_INPUT', field: 'input.codes.1' },
      fields: [{ path: 'input.codes.1', message: 'input.codes.1: exists already' }],
    });
    expect((await list({ code: 'STILL-FREE' })).totalCount).toBe(0);
  });

  it('names each code of an import that exists, also if it was imported concurrently', async () => {
    const codes = Array.from({ length: 30 }, () => randomUUID());
    const settled = await Promise.all([
      admin.ask(CreateRedemptionCodesDocument, { input: inputOf({ codes: codes.slice(0, 20) }) }),
      admin.ask(CreateRedemptionCodesDocument, { input: inputOf({ codes: codes.slice(10) }) }),
    ]);

    const [refusal, ...others] = settled.flatMap(({ errors }) => errors ?? []);
    expect(others).toEqual([]);
    const fields = refusal?.extensions.fields as { path: string }[];
    const isFirst = settled[0]?.errors !== undefined;
    const offset = isFirst ? 10 : 0;
    expect(fields.map(({ path }) => path)).toEqual(
      Array.from({ length: 10 }, (_, place) => `input.codes.${place + offset}`),
    );
    expect(refusal?.message).toContain('(10 codes in all)');
  });

  it('fails with NOT_FOUND for a deleted or unknown plan', async () => {
    const { id } = await buildPlan(api.services.db, { deletedAt: inDays(0) });
    for (const other of [id, randomUUID(), 'no id']) {
      const refusal = await admin.refused(CreateRedemptionCodesDocument, {
        input: inputOf({ planId: other }),
      });
      expect(refusal.extensions.code).toBe('NOT_FOUND');
    }
  });
});

describe('redemptionCodes', () => {
  it('are filtered by whether they are enabled, exhausted or expired', async () => {
    const { db } = api.services;
    const ofPlan = (await buildPlan(db)).id;
    const batch = { planId: ofPlan };
    const made = {
      good: await newCode(api.services, { batch }),
      off: await newCode(api.services, { batch, code: { enabled: false } }),
      batchOff: await newCode(api.services, { batch: { ...batch, enabled: false } }),
      usedUp: await newCode(api.services, { batch, code: { maxUses: 2, usedCount: 2 } }),
      unlimited: await newCode(api.services, { batch, code: { maxUses: null, usedCount: 5 } }),
      old: await newCode(api.services, { batch, code: { expiresAt: inDays(-1) } }),
      fresh: await newCode(api.services, { batch, code: { expiresAt: inDays(1) } }),
      deleted: await newCode(api.services, { batch, code: { deletedAt: inDays(0) } }),
      batchDeleted: await newCode(api.services, { batch: { ...batch, deletedAt: inDays(0) } }),
    };
    const names = async (filter: RedemptionCodeFilter) => {
      const { nodes, totalCount } = await list({ planId: ofPlan, ...filter });
      expect(totalCount).toBe(nodes.length);
      return nodes.map(({ id }) => Object.entries(made).find(([, code]) => code.id === id)?.[0]);
    };

    expect(await names({})).toEqual(['fresh', 'old', 'unlimited', 'usedUp', 'batchOff', 'off', 'good']);
    expect(await names({ enabled: false })).toEqual(['batchOff', 'off']);
    expect(await names({ enabled: true })).toEqual(['fresh', 'old', 'unlimited', 'usedUp', 'good']);
    expect(await names({ exhausted: true })).toEqual(['usedUp']);
    expect(await names({ exhausted: false, enabled: true })).toEqual(['fresh', 'old', 'unlimited', 'good']);
    expect(await names({ expired: true })).toEqual(['old']);
    expect(await names({ expired: false, enabled: true })).toEqual(['fresh', 'unlimited', 'usedUp', 'good']);
    expect(await names({ batchId: made.off.batchId })).toEqual(['off']);
    expect(await names({ code: made.good.code.toLowerCase() })).toEqual(['good']);
    expect(await names({ code: 'NO-SUCH-CODE' })).toEqual([]);
    const shown = (await list({ id: made.batchOff.id })).nodes;
    expect(shown).toMatchObject([{ enabled: false, code: made.batchOff.code }]);
  });

  it('cannot be filtered by a malformed code or id', async () => {
    const refusalOf = async (filter: RedemptionCodeFilter) =>
      (await admin.refused(RedemptionCodesDocument, { filter })).extensions;

    expect(await refusalOf({ code: '' })).toMatchObject({ code: 'BAD_USER_INPUT', field: 'filter.code' });
    expect(await refusalOf({ code: 'ABC' })).toMatchObject({ code: 'BAD_USER_INPUT', field: 'filter.code' });
    for (const filter of [{ id: '' }, { batchId: 'x' }, { planId: 'x' }]) {
      expect((await refusalOf(filter)).code).toBe('NOT_FOUND');
    }
  });
});
