import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { recordAudit } from '../../../../src/modules/kernel/record-audit.ts';
import { inRequestScope } from '../../../../src/platform/request-scope.ts';
import { type AuditFilter, AuditLogDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { buildAuditEntry, inDays } from '../../../support/factories.ts';

const [anna, bert, plan, site] = [randomUUID(), randomUUID(), randomUUID(), randomUUID()];

let api: TestApi;
let admin: TestUser;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
  const { db } = api.services;
  await buildAuditEntry(db, { action: 'one', actorId: anna, targetId: plan, createdAt: inDays(-3) });
  await buildAuditEntry(db, { action: 'two', actorId: bert, targetId: plan, createdAt: inDays(-2) });
  await buildAuditEntry(db, { action: 'three', actorId: anna, targetId: site, createdAt: inDays(-1) });
  await buildAuditEntry(db, {
    action: 'one',
    actorId: null,
    targetId: site,
    before: { a: 1 },
    after: { a: 2 },
  });
});
afterAll(() => api.close());

const actions = async (filter: AuditFilter | null) =>
  (await admin.get(AuditLogDocument, { filter })).auditLog?.nodes.map(({ action }) => action);

describe('auditLog', () => {
  it.each<[string, AuditFilter | null, string[]]>([
    ['all entries, latest first', null, ['one', 'three', 'two', 'one']],
    ['all entries for an empty filter', {}, ['one', 'three', 'two', 'one']],
    [
      'all entries if every condition is null',
      { action: null, actorId: null, from: null },
      ['one', 'three', 'two', 'one'],
    ],
    ['the entries of one actor', { actorId: anna }, ['three', 'one']],
    ['the entries of one target', { targetId: plan }, ['two', 'one']],
    ['the entries of one action', { action: 'one' }, ['one', 'one']],
    ['the entries that meet all conditions', { action: 'one', actorId: anna, targetId: plan }, ['one']],
    ['nothing if no entry meets all conditions', { action: 'two', actorId: anna }, []],
    ['nothing for a part of the name of an action', { action: 'on' }, []],
    ['the entries after a time', { from: inDays(-1.5).toISOString() }, ['one', 'three']],
    ['the entries before a time', { to: inDays(-1.5).toISOString() }, ['two', 'one']],
    [
      'the entries of a time range',
      { from: inDays(-2.5).toISOString(), to: inDays(-0.5).toISOString() },
      ['three', 'two'],
    ],
  ])('lists %s', async (_, filter, expected) => {
    expect(await actions(filter)).toEqual(expected);
  });

  it('includes from and excludes to', async () => {
    const { createdAt } = await api.services.db.auditEntry.findFirstOrThrow({ where: { action: 'two' } });
    const [at, later] = [createdAt.toISOString(), new Date(createdAt.getTime() + 1).toISOString()];

    expect(await actions({ from: at, to: later })).toEqual(['two']);
    expect(await actions({ from: inDays(-2.5).toISOString(), to: at })).toEqual([]);
  });

  it('returns the recorded fields before and after the change', async () => {
    const { auditLog } = await admin.get(AuditLogDocument, { filter: { targetId: site }, first: 1 });

    expect(auditLog?.nodes).toMatchObject([{ actorId: null, before: { a: 1 }, after: { a: 2 } }]);
  });

  it.each([{ actorId: 'x' }, { targetId: '1' }])(
    'returns NOT_FOUND for a malformed id: %j',
    async (filter) => {
      const { extensions } = await admin.refused(AuditLogDocument, { filter });

      expect(extensions.code).toBe('NOT_FOUND');
    },
  );

  it('rejects callers who are not admins', async () => {
    const { extensions } = await (await api.newUser()).refused(AuditLogDocument, { filter: null });

    expect(extensions.code).toBe('FORBIDDEN');
  });
});

describe('an audit entry', () => {
  it('cannot be updated, deleted or truncated', async () => {
    const { db } = api.services;
    const before = await db.auditEntry.findMany({ orderBy: { id: 'asc' } });

    const attempts = [
      db.auditEntry.updateMany({ data: { actorId: bert } }),
      db.auditEntry.deleteMany(),
      db.$executeRaw`UPDATE audit_entries SET action = 'nothing'`,
      db.$executeRaw`DELETE FROM audit_entries`,
      db.$executeRaw`TRUNCATE audit_entries`,
      db.$executeRaw`TRUNCATE audit_entries CASCADE`,
    ];

    for (const attempt of attempts) await expect(attempt).rejects.toThrow(/only ever added|only deleted by/);
    expect(await db.auditEntry.findMany({ orderBy: { id: 'asc' } })).toEqual(before);
  });

  it('is rolled back with its transaction', async () => {
    const targetId = randomUUID();

    const failed = api.services.db.$transaction(async (tx) => {
      await recordAudit(tx, { action: 'test', actorId: null, targetId });
      throw new Error('a failure of the test');
    });

    await expect(failed).rejects.toThrow('a failure of the test');
    expect(await api.services.db.auditEntry.count({ where: { targetId } })).toBe(0);
  });

  it('has the request id and the IP address of its request, and neither in a job', async () => {
    const [byRequest, byJob] = [randomUUID(), randomUUID()];
    const scope = { requestId: randomUUID(), ip: '2001:db8::7', userAgent: null };

    await inRequestScope(scope, () =>
      recordAudit(api.services.db, { action: 'test', actorId: null, targetId: byRequest }),
    );
    await recordAudit(api.services.db, { action: 'test', actorId: null, targetId: byJob });

    const find = (targetId: string) => api.services.db.auditEntry.findFirst({ where: { targetId } });
    expect(await find(byRequest)).toMatchObject({ requestId: scope.requestId, ip: '2001:db8::7' });
    expect(await find(byJob)).toMatchObject({ requestId: null, ip: null });
  });
});
