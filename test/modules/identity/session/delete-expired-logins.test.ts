import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { deleteExpiredLogins } from '../../../../src/modules/identity/session/delete-expired-logins.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import { buildLinkCode, buildPendingBinding, buildSession, inDays } from '../../../support/factories.ts';
import { createTestServices } from '../../../support/services.ts';

let services: RunningServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());

describe('deleteExpiredLogins', () => {
  it('deletes sessions, link codes and pending bindings 30 days after they expire, and not before', async () => {
    const { db } = services;
    for (const build of [buildSession, buildLinkCode, buildPendingBinding]) {
      await build(db, { expiresAt: inDays(-31) });
      await build(db, { expiresAt: inDays(-29) });
    }
    await buildSession(db, { expiresAt: inDays(1), revokedAt: inDays(-60) });

    expect(await deleteExpiredLogins(services)).toBe(3);

    expect(await db.session.count()).toBe(2);
    expect(await db.linkCode.count()).toBe(1);
    expect(await db.pendingBinding.count()).toBe(1);
    const runs = await db.jobRun.findMany({ orderBy: { name: 'asc' } });
    expect(runs.map(({ name }) => name)).toEqual([
      'forget-link-codes',
      'forget-pending-bindings',
      'forget-sessions',
    ]);
    expect(await deleteExpiredLogins(services)).toBe(0);
  });
});
