import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { register } from '../../../../src/modules/lifecycle/login/register.ts';
import { LoginDocument, RemoveEmailDocument, ViewerDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { buildSubscription, buildUser } from '../../../support/factories.ts';
import { anotherDevice, newDevice, openSocket, refusedAsViewer } from '../../../support/household.ts';
import { everyRow } from '../../../support/joining.ts';
import { loginCode, PASSWORD, withEmail } from '../../../support/with-email.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api?.close());

/** An account with an e-mail address and no device, signed in. */
async function withoutDevice() {
  const { id: userId } = await buildUser(api.services.db);
  const { email } = await withEmail(api, { userId });
  const { login } = await api.anonymous.get(LoginDocument, { input: { email, password: PASSWORD } });
  return Object.assign(api.anonymous.as(login.accessToken), { userId, email });
}

describe('removeEmail', () => {
  it('removes address and password from an account with a device, and frees the address', async () => {
    const phone = await withEmail(api, await newDevice(api));
    await buildSubscription(api.services.db, { userId: phone.userId });

    const { removeEmail } = await phone.get(RemoveEmailDocument, { password: PASSWORD });

    expect(removeEmail).toEqual({ id: phone.userId, email: null });
    expect(await loginCode(api, phone.email)).toBe('INVALID_CREDENTIALS');
    expect((await phone.get(ViewerDocument)).viewer).toMatchObject({ email: null });
    const other = await register(api.services, { email: phone.email, password: PASSWORD });
    expect(other.user.id).not.toBe(phone.userId);
  });

  it('revokes the other sessions immediately and keeps the session of the caller', async () => {
    const phone = await withEmail(api, await newDevice(api));
    const tablet = await anotherDevice(phone);
    const socket = await openSocket(tablet);

    await phone.get(RemoveEmailDocument, { password: PASSWORD });

    expect(await socket.closed).toBe('4401 SESSION_REVOKED');
    expect(await refusedAsViewer(tablet)).toBe('UNAUTHENTICATED');
    expect(await refusedAsViewer(phone)).toBeUndefined();
  });

  it('rejects the last identity of an account with a live subscription, and changes nothing', async () => {
    const user = await withoutDevice();
    await buildSubscription(api.services.db, { userId: user.userId });
    const before = await everyRow(api.services);

    const { extensions } = await user.refused(RemoveEmailDocument, { password: PASSWORD });

    expect(extensions.code).toBe('LAST_IDENTITY');
    expect(await everyRow(api.services)).toEqual(before);
  });

  it('closes an account that has neither a device nor a live subscription', async () => {
    const user = await withoutDevice();
    await buildSubscription(api.services.db, { userId: user.userId, traits: ['expired'] });

    const { removeEmail } = await user.get(RemoveEmailDocument, { password: PASSWORD });

    expect(removeEmail).toEqual({ id: user.userId, email: null });
    const { deletedAt } = await api.services.db.user.findUniqueOrThrow({ where: { id: user.userId } });
    expect(deletedAt).not.toBeNull();
    expect((await user.refused(ViewerDocument)).extensions.code).toBe('UNAUTHENTICATED');
  });

  it('rejects an admin, who signs in with the address only', async () => {
    const admin = await api.newAdmin();

    const { extensions } = await admin.refused(RemoveEmailDocument, { password: admin.secret });

    expect(extensions.code).toBe('STILL_IN_USE');
    expect(await loginCode(api, admin.identifier, admin.secret)).toBe('OK');
  });

  it.each([
    ['a wrong password', `${PASSWORD}!`, 'INVALID_CREDENTIALS'],
    ['an empty password', '', 'BAD_USER_INPUT'],
  ])('rejects %s and changes nothing', async (_, password, code) => {
    const phone = await withEmail(api, await newDevice(api));

    expect((await phone.refused(RemoveEmailDocument, { password })).extensions.code).toBe(code);

    expect(await loginCode(api, phone.email)).toBe('OK');
  });

  it('rejects an account without an address', async () => {
    const phone = await newDevice(api);

    const { extensions } = await phone.refused(RemoveEmailDocument, { password: PASSWORD });

    expect(extensions.code).toBe('INVALID_CREDENTIALS');
  });

  it('writes an audit entry without the address', async () => {
    const phone = await withEmail(api, await newDevice(api));

    await phone.get(RemoveEmailDocument, { password: PASSWORD });

    const entries = await api.services.db.auditEntry.findMany({
      where: { targetId: phone.userId, action: 'removeEmail' },
    });
    expect(entries).toMatchObject([{ actorId: phone.userId, after: { accountClosed: false } }]);
    expect(JSON.stringify(entries)).not.toMatch(/@|horse|argon2/);
  });
});
