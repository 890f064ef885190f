import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  applyRetention,
  previewRetention,
} from '../../../../src/modules/operations/retention/apply-retention.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import {
  buildAuditEntry,
  buildDeviceStay,
  buildLinkCode,
  buildOrder,
  buildPendingBinding,
  buildRedemption,
  buildServer,
  buildSession,
  buildTrafficReport,
  buildUser,
  inDays,
} from '../../../support/factories.ts';
import { createTestServices } from '../../../support/services.ts';

const KEPT_FOREVER = {};
let services: RunningServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());

/** Applies one setting, and returns the number of deleted rows by table. */
async function deletedBy(retention: Parameters<typeof applyRetention>[1]): Promise<Record<string, number>> {
  const before = await previewRetention(services, retention);
  const deleted = await applyRetention(services, retention);
  expect(deleted).toEqual(before);
  return Object.fromEntries(deleted.filter(({ rows }) => rows > 0).map(({ table, rows }) => [table, rows]));
}

describe('applyRetention', () => {
  it('deletes sessions, link codes and pending bindings some days after they expire, and not before', async () => {
    const { db } = services;
    for (const build of [buildSession, buildLinkCode, buildPendingBinding]) {
      await build(db, { expiresAt: inDays(-31) });
      await build(db, { expiresAt: inDays(-29) });
    }
    await buildSession(db, { expiresAt: inDays(1), revokedAt: inDays(-60) });

    expect(await deletedBy({ RETENTION_LOGINS_DAYS: 30 })).toEqual({
      ...{ sessions: 1, link_codes: 1, pending_bindings: 1 },
    });

    expect(await db.session.count()).toBe(2);
    const runs = await db.jobRun.findMany({ orderBy: { name: 'asc' } });
    expect(runs.map(({ name }) => name)).toEqual([
      'forget-link-codes',
      'forget-pending-bindings',
      'forget-sessions',
      'forget-wrong-guesses',
    ]);
    expect(await deletedBy({ RETENTION_LOGINS_DAYS: 30 })).toEqual({});
  });

  it('deletes old reports in several transactions, and keeps newer ones', async () => {
    const { db } = services;
    const { id: serverId } = await buildServer(db);
    await db.$executeRaw`
      INSERT INTO traffic_reports (server_id, boot_id, sequence, received_at)
      SELECT ${serverId}::uuid, gen_random_uuid(), n, now() - interval '30 days' FROM generate_series(1, 1500) AS n`;
    const kept = await buildTrafficReport(db, { serverId, receivedAt: inDays(-29.9) });

    expect(await deletedBy({ RETENTION_TRAFFIC_REPORTS_DAYS: 30 })).toEqual({ traffic_reports: 1_500 });

    expect(await db.trafficReport.findMany()).toEqual([kept]);
  });

  it('deletes presence intervals that ended long ago, however long one that is open has lasted', async () => {
    const { db } = services;
    const times = { startedAt: inDays(-300), lastSeenAt: inDays(-300) };
    const open = await buildDeviceStay(db, times);
    await buildDeviceStay(db, { ...times, endedAt: inDays(-181) });
    const recent = await buildDeviceStay(db, { ...times, endedAt: inDays(-179) });

    expect(await deletedBy({ RETENTION_STAYS_DAYS: 180 })).toEqual({ device_stays: 1 });

    const left = await db.deviceStay.findMany({ orderBy: { id: 'asc' } });
    expect(left.map(({ id }) => id)).toEqual([open.id, recent.id]);
  });

  it('deletes the counts of wrong codes of earlier months', async () => {
    const { db } = services;
    const { id: userId } = await buildUser(db);
    for (const days of [-40, -31, -2, 0]) {
      await db.wrongGuess.create({ data: { userId, day: inDays(days), count: 3 } });
    }

    expect(await deletedBy(KEPT_FOREVER)).toEqual({ wrong_guesses: 2 });
  });

  it('keeps orders and audit entries unless told otherwise', async () => {
    const { db } = services;
    await buildAuditEntry(db, { createdAt: inDays(-4_000) });
    await buildOrder(db, { status: 'FAILED', finishedAt: inDays(-4_000) });

    expect(await deletedBy(KEPT_FOREVER)).toEqual({});
  });

  it('deletes failed and closed orders, and never those that were paid or finished', async () => {
    const { db } = services;
    const { id: heirId } = await buildUser(db);
    const old = { createdAt: inDays(-101), finishedAt: inDays(-100) };
    const failed = await buildOrder(db, { ...old, status: 'FAILED' });
    const { codeId, id: orderId } = failed;
    await db.inheritedRedemption.create({ data: { userId: heirId, codeId, orderId } });
    await buildOrder(db, { ...old, status: 'CLOSED' });
    const { orderId: finishedId } = await buildRedemption(db, { redeemedAt: inDays(-100) });
    await db.order.update({ where: { id: finishedId }, data: old });
    const paid = await buildOrder(db, { createdAt: inDays(-101) });

    const deleted = await deletedBy({ RETENTION_UNSUCCESSFUL_ORDERS_DAYS: 99 });

    // One of the test before.
    expect(deleted).toEqual({ orders: 3 });
    expect(await db.inheritedRedemption.count()).toBe(0);
    const left = await db.order.findMany({ orderBy: { id: 'asc' } });
    expect(left.map(({ id }) => id)).toEqual([finishedId, paid.id]);
  });

  it('deletes audit entries only from the age that is set', async () => {
    const { db } = services;
    await buildAuditEntry(db, { createdAt: inDays(-364) });

    expect(await deletedBy({ RETENTION_AUDIT_DAYS: 365 })).toEqual({ audit_entries: 1 });

    expect(await db.auditEntry.count()).toBe(1);
  });

  it('is the only way to delete an audit entry, and cannot delete recent ones', async () => {
    const { db } = services;
    const [recent, old] = [
      await buildAuditEntry(db, { createdAt: inDays(-29) }),
      await buildAuditEntry(db, { createdAt: inDays(-400) }),
    ];
    const refusal = /audit entries are only deleted by the retention sweep/;

    await expect(db.$executeRaw`DELETE FROM audit_entries WHERE id = ${old.id}::uuid`).rejects.toThrow(
      refusal,
    );
    await expect(
      db.$transaction(async (tx) => {
        await tx.$executeRaw`SELECT set_config('tessera.retention', 'on', true)`;
        await tx.$executeRaw`DELETE FROM audit_entries WHERE id = ${recent.id}::uuid`;
      }),
    ).rejects.toThrow(refusal);
  });
});
