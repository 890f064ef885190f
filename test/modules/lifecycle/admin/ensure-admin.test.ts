import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ensureAdmin } from '../../../../src/modules/lifecycle/admin/ensure-admin.ts';
import { logIn } from '../../../../src/modules/lifecycle/login/log-in.ts';
import { required } from '../../../../src/platform/required.ts';
import { buildIdentity, buildUser } from '../../../support/factories.ts';
import { createTestServices, type TestServices } from '../../../support/services.ts';

const email = 'Admin@localhost';

let services: TestServices;
beforeEach(async () => {
  services = await createTestServices();
});
afterEach(() => services.close());

describe('ensureAdmin', () => {
  it('creates and audits exactly one admin when ten processes start concurrently', async () => {
    const results = await Promise.all(
      Array.from({ length: 10 }, () => ensureAdmin(services, { email, password: undefined })),
    );

    const [created, ...others] = results.filter((admin) => admin !== null);
    const { userId } = await services.db.identity.findFirstOrThrow();
    expect(others).toEqual([]);
    expect(await services.db.user.findMany()).toMatchObject([{ id: userId, role: 'ADMIN' }]);
    expect(await services.db.auditEntry.findMany()).toMatchObject([
      { action: 'createAdmin', actorId: null, targetId: userId },
    ]);
    const password = required(created?.generatedPassword, 'generated password');
    expect(password.length).toBeGreaterThanOrEqual(20);
    expect((await logIn(services, { email, password })).user).toMatchObject({ id: userId, role: 'ADMIN' });
  });

  it('uses the given password and does not return it', async () => {
    const admin = await ensureAdmin(services, { email, password: 'given by the operator' });

    expect(admin).toEqual({ email: 'admin@localhost', generatedPassword: null });
    expect((await logIn(services, { email, password: 'given by the operator' })).user.role).toBe('ADMIN');
  });

  it('creates no admin when one exists with another address', async () => {
    await buildUser(services.db, { role: 'ADMIN' });

    expect(await ensureAdmin(services, { email, password: undefined })).toBeNull();

    expect(await services.db.user.count()).toBe(1);
  });

  it('creates an admin when the only one was deleted', async () => {
    await buildUser(services.db, { role: 'ADMIN', deletedAt: new Date() });

    expect(await ensureAdmin(services, { email, password: undefined })).not.toBeNull();
  });

  it('fails and changes nothing when the address belongs to an account that is not an admin', async () => {
    await buildIdentity(services.db, { type: 'EMAIL', value: 'admin@localhost' });

    await expect(ensureAdmin(services, { email, password: undefined })).rejects.toThrow(/ADMIN_EMAIL/);

    expect(await services.db.user.findMany()).toMatchObject([{ role: 'USER' }]);
  });
});
