import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureAdmin } from '../../../../src/modules/lifecycle/admin/ensure-admin.ts';
import { logIn } from '../../../../src/modules/lifecycle/login/log-in.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import { buildIdentity, buildUser } from '../../../support/factories.ts';
import { createTestServices } from '../../../support/services.ts';

const email = 'Admin@localhost';

let services: RunningServices;
beforeEach(async () => {
  services = await createTestServices();
});
afterEach(() => services.close());

describe('ensureAdmin', () => {
  it('makes one admin when ten processes start at once, audited once', async () => {
    const results = await Promise.all(
      Array.from({ length: 10 }, () => ensureAdmin(services, { email, password: undefined })),
    );

    const [made, ...others] = results.filter((admin) => admin !== null);
    const { userId } = await services.db.identity.findFirstOrThrow();
    expect(others).toEqual([]);
    expect(await services.db.user.findMany()).toMatchObject([{ id: userId, role: 'ADMIN' }]);
    expect(await services.db.auditEntry.findMany()).toMatchObject([
      { action: 'createAdmin', actorId: null, targetId: userId },
    ]);
    const password = made?.generatedPassword ?? '';
    expect(password.length).toBeGreaterThanOrEqual(20);
    expect((await logIn(services, { email, password })).user).toMatchObject({ id: userId, role: 'ADMIN' });
  });

  it('takes the password it is given and does not show it again', async () => {
    const admin = await ensureAdmin(services, { email, password: 'given by the operator' });

    expect(admin).toEqual({ email: 'admin@localhost', generatedPassword: null });
    expect((await logIn(services, { email, password: 'given by the operator' })).user.role).toBe('ADMIN');
  });

  it('makes none where there is one, whatever its address', async () => {
    await buildUser(services.db, { role: 'ADMIN' });

    expect(await ensureAdmin(services, { email, password: undefined })).toBeNull();

    expect(await services.db.user.count()).toBe(1);
  });

  it('makes one when the only admin has been deleted', async () => {
    await buildUser(services.db, { role: 'ADMIN', deletedAt: new Date() });

    expect(await ensureAdmin(services, { email, password: undefined })).not.toBeNull();
  });

  it('says so when the address belongs to somebody who is no admin, and changes nothing', async () => {
    await buildIdentity(services.db, { type: 'EMAIL', value: 'admin@localhost' });

    await expect(ensureAdmin(services, { email, password: undefined })).rejects.toThrow(/ADMIN_EMAIL/);

    expect(await services.db.user.findMany()).toMatchObject([{ role: 'USER' }]);
  });
});
