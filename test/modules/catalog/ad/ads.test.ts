import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { Prisma } from '../../../../src/generated/prisma/client.ts';
import { updateAd } from '../../../../src/modules/catalog/ad/update-ad.ts';
import { databaseNow } from '../../../../src/platform/database/clock.ts';
import type { Transaction } from '../../../../src/platform/database/database.ts';
import {
  AdsDocument,
  AllAdsDocument,
  AuditLogDocument,
  CreateAdDocument,
  type CreateAdInput,
  DeleteAdDocument,
  UpdateAdDocument,
  type UpdateAdInput,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { runBlocked } from '../../../support/blocked-work.ts';
import { buildAd, inDays } from '../../../support/factories.ts';
import { statementsOf } from '../../../support/statements.ts';

let api: TestApi;
let admin: TestUser;

beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
});
afterAll(() => api?.close());
beforeEach(async () => {
  await api.services.db.ad.deleteMany();
});

const AD = { type: 'banner', title: 'Summer', description: 'Cheap', content: 'Half the price' };
const create = async (input: Partial<CreateAdInput> = {}) =>
  (await admin.get(CreateAdDocument, { input: { ...AD, ...input } })).createAd;
const update = async (id: string, input: UpdateAdInput) =>
  (await admin.get(UpdateAdDocument, { id, input })).updateAd;
const shown = async () => (await api.anonymous.get(AdsDocument)).ads?.nodes.map(({ title }) => title);

describe('createAd', () => {
  it('creates an advertisement that is shown immediately and never ends', async () => {
    const ad = await create({ title: ' Summer ' });

    expect(ad).toEqual({
      ...AD,
      id: expect.any(String),
      targetUrl: null,
      startAt: null,
      endAt: null,
      enabled: true,
      version: 1,
    });
    expect((await api.anonymous.get(AdsDocument)).ads).toEqual({ nodes: [ad], totalCount: 1 });
  });

  it('stores every field as given', async () => {
    const input = {
      ...AD,
      description: '',
      content: 'https://cdn.example.test/picture.png',
      targetUrl: 'HTTPS://shop.example.test/summer?from=app#top',
      startAt: '2026-01-01T00:00:00.000Z',
      endAt: '2026-01-01T00:00:00.001Z',
      enabled: false,
    };

    expect(await create(input)).toMatchObject(input);
  });

  it.for([
    ['no type', 'type', ''],
    ['a blank type', 'type', '  '],
    ['a long type', 'type', 'a'.repeat(51)],
    ['no title', 'title', ''],
    ['a long title', 'title', 'a'.repeat(201)],
    ['a long description', 'description', 'a'.repeat(1_001)],
    ['no content', 'content', ''],
    ['long content', 'content', 'a'.repeat(16_385)],
    ['a target with the javascript scheme', 'targetUrl', 'javascript:alert(1)'],
    ['a target with a scheme other than http or https', 'targetUrl', 'ftp://example.test/'],
    ['a target without a host', 'targetUrl', 'https://'],
    ['a target that is a path', 'targetUrl', '/shop'],
    ['a target whose scheme is disguised by a line break', 'targetUrl', 'java\nscript:https://x'],
    ['an empty target', 'targetUrl', ''],
    ['a long target', 'targetUrl', `https://example.test/${'a'.repeat(2_048)}`],
  ] as const)('rejects %s', async ([, field, value]) => {
    const { extensions } = await admin.refused(CreateAdDocument, { input: { ...AD, [field]: value } });

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: `input.${field}` });
    expect(await api.services.db.ad.count()).toBe(0);
  });

  it('rejects an end that is not after the start', async () => {
    const at = inDays(1).toISOString();
    const { extensions } = await admin.refused(CreateAdDocument, {
      input: { ...AD, startAt: at, endAt: at },
    });

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.endAt' });
  });
});

describe('updateAd', () => {
  it('changes the given fields, clears null ones and keeps the rest', async () => {
    const { id } = await create({ targetUrl: 'https://a.example.test', startAt: inDays(1).toISOString() });

    expect(await update(id, { title: 'Winter', startAt: null })).toMatchObject({
      ...AD,
      title: 'Winter',
      targetUrl: 'https://a.example.test',
      startAt: null,
      version: 2,
    });
    expect(await update(id, { targetUrl: null, enabled: false })).toMatchObject({
      targetUrl: null,
      enabled: false,
      version: 3,
    });
  });

  it('rejects null for required fields, and an end before the stored start', async () => {
    const { id } = await create({ startAt: inDays(2).toISOString() });
    const refusal = async (input: UpdateAdInput) =>
      (await admin.refused(UpdateAdDocument, { id, input })).extensions.field;

    expect(await refusal({ title: null })).toBe('input.title');
    expect(await refusal({ enabled: null })).toBe('input.enabled');
    expect(await refusal({ endAt: inDays(1).toISOString() })).toBe('input.endAt');
  });

  it('detects a version and an end that a concurrent transaction has not committed yet', async () => {
    const { db } = api.services;
    const { id, version } = await create();
    const edit = (input: Parameters<typeof updateAd>[1]['input']) => () =>
      updateAd(api.services, { actorId: admin.userId, id, input });
    const write = (data: Prisma.AdUpdateInput) => (tx: Transaction) => tx.ad.update({ where: { id }, data });

    const late = await runBlocked(
      db,
      write({ title: 'Two', version: { increment: 1 } }),
      edit({ version, title: 'Three' }),
    );
    const reversed = await runBlocked(db, write({ endAt: inDays(1) }), edit({ startAt: inDays(2) }));

    expect(late).toMatchObject({ status: 'rejected', reason: { code: 'EDIT_CONFLICT' } });
    expect(reversed).toMatchObject({ status: 'rejected', reason: { code: 'BAD_USER_INPUT' } });
    expect(await db.ad.findUnique({ where: { id } })).toMatchObject({ title: 'Two', startAt: null });
  });

  it('lets the last write win without a version, and keeps concurrent edits of different fields', async () => {
    const { id, version } = await create();
    await update(id, { version, title: 'Winter' });

    expect(await update(id, { title: 'Autumn' })).toMatchObject({ title: 'Autumn' });
    await Promise.all([update(id, { type: 'popup' }), update(id, { content: 'New' })]);
    expect(await api.services.db.ad.findUnique({ where: { id } })).toMatchObject({
      title: 'Autumn',
      type: 'popup',
      content: 'New',
      version: 5,
    });
  });
});

describe('deleteAd', () => {
  it('deletes the advertisement permanently and returns it as it was', async () => {
    const ad = await create();

    expect((await admin.get(DeleteAdDocument, { id: ad.id })).deleteAd).toEqual(ad);
    expect(await shown()).toEqual([]);
    for (const id of [ad.id, randomUUID(), 'no id']) {
      expect((await admin.refused(DeleteAdDocument, { id })).extensions.code).toBe('NOT_FOUND');
      expect((await admin.refused(UpdateAdDocument, { id, input: {} })).extensions.code).toBe('NOT_FOUND');
    }
  });
});

describe('createAd, updateAd and deleteAd', () => {
  it('record an audit entry each', async () => {
    const { id } = await create({ endAt: '2030-01-01T00:00:00.000Z' });
    await update(id, { title: 'Winter' });
    await admin.get(DeleteAdDocument, { id });

    const { auditLog } = await admin.get(AuditLogDocument, { filter: { targetId: id } });
    const whole = { ...AD, targetUrl: null, startAt: null, endAt: '2030-01-01T00:00:00.000Z', enabled: true };
    expect(auditLog?.nodes.reverse()).toMatchObject([
      { action: 'createAd', actorId: admin.userId, before: null, after: { ...whole, version: 1 } },
      { action: 'updateAd', before: { title: 'Summer', version: 1 }, after: { title: 'Winter', version: 2 } },
      { action: 'deleteAd', before: { title: 'Winter' }, after: null },
    ]);
  });
});

describe('ads', () => {
  it('lists enabled ads that have started and not ended, newest first; allAds lists all', async () => {
    const { db } = api.services;
    await buildAd(db, { title: 'always' });
    await buildAd(db, { title: 'off', enabled: false });
    await buildAd(db, { title: 'since yesterday', startAt: inDays(-1) });
    await buildAd(db, { title: 'tomorrow', startAt: inDays(1) });
    await buildAd(db, { title: 'until tomorrow', endAt: inDays(1) });
    await buildAd(db, { title: 'over', endAt: inDays(-1) });
    await buildAd(db, { title: 'these days', startAt: inDays(-1), endAt: inDays(1) });
    await buildAd(db, { title: 'last week', startAt: inDays(-7), endAt: inDays(-1) });

    expect(await shown()).toEqual(['these days', 'until tomorrow', 'since yesterday', 'always']);
    const { allAds } = await admin.get(AllAdsDocument);
    expect(allAds?.totalCount).toBe(8);
  });

  it('includes startAt and excludes endAt, by the database clock', async () => {
    const { db } = api.services;
    const restore = await freezeDatabaseClock();
    try {
      const now = await databaseNow(db);
      const after = (ms: number) => new Date(now.getTime() + ms);
      await buildAd(db, { title: 'begins now', startAt: now });
      await buildAd(db, { title: 'begins next', startAt: after(1) });
      await buildAd(db, { title: 'ends next', endAt: after(1) });
      await buildAd(db, { title: 'ends now', endAt: now });

      expect(await shown()).toEqual(['ends next', 'begins now']);
    } finally {
      await restore();
    }
  });
});

/** Freezes `tessera_now()` at a time far from the clock of this machine, until it is restored. */
async function freezeDatabaseClock(): Promise<() => Promise<unknown>> {
  const { db } = api.services;
  const [row] = await db.$queryRaw<[{ source: string }]>`
    SELECT pg_get_functiondef('tessera_now'::regproc) AS source`;
  await db.$executeRawUnsafe(`CREATE OR REPLACE FUNCTION tessera_now() RETURNS timestamptz LANGUAGE sql STABLE
    AS $$ SELECT timestamptz '2026-06-01T12:00:00.500Z' $$`);
  return () => db.$executeRawUnsafe(row.source);
}

describe('ads', () => {
  it('share the statements of concurrent requests', async () => {
    await create();

    const { queries } = await statementsOf(() => Promise.all(Array.from({ length: 30 }, shown)));

    const ofAds = queries.filter((sql) => sql.includes('"ads"'));
    // The first request runs alone, and the others together.
    expect(ofAds.length).toBeGreaterThan(0);
    expect(ofAds.length).toBeLessThanOrEqual(8);
  });

  it('pages refuse a cursor of another list without refusing other pages', async () => {
    await create();

    const [odd, fine] = await Promise.all([
      api.anonymous.ask(AdsDocument, { after: 'AAAA' }),
      api.anonymous.ask(AdsDocument, { first: 1 }),
    ]);

    expect(odd.errors?.[0]?.extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'after' });
    expect(fine.data?.ads?.nodes).toHaveLength(1);
  });
});
