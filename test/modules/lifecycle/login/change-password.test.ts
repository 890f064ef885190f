import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { hashPassword } from '../../../../src/modules/identity/credentials/password.ts';
import { changePassword } from '../../../../src/modules/lifecycle/login/change-password.ts';
import { ChangePasswordDocument, LoginDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { buildIdentity, unique } from '../../../support/factories.ts';
import {
  anotherDevice,
  callerOf,
  newDevice,
  openSocket,
  refusedAsViewer,
  type TestDevice,
} from '../../../support/household.ts';

const OLD = 'correct horse battery staple';
const NEW = 'staple battery horse correct';

let api: TestApi;
let oldHash: string;
beforeAll(async () => {
  api = await startTestApi();
  oldHash = await hashPassword(OLD);
});
afterAll(() => api?.close());

describe('changePassword', () => {
  it('makes logins accept the new password and reject the old one', async () => {
    const phone = await withEmail(await newDevice(api));

    const { changePassword: user } = await change(phone, OLD, NEW);

    expect(user).toEqual({ id: phone.userId, email: phone.email });
    expect(await loginCode(phone.email, OLD)).toBe('INVALID_CREDENTIALS');
    expect(await loginCode(phone.email, NEW)).toBe('OK');
  });

  it('revokes the other sessions immediately and keeps the session of the caller', async () => {
    const phone = await withEmail(await newDevice(api));
    const tablet = await anotherDevice(phone);
    const sockets = { phone: await openSocket(phone), tablet: await openSocket(tablet) };

    await change(phone, OLD, NEW);

    expect(await refusedAsViewer(tablet)).toBe('UNAUTHENTICATED');
    expect(await sockets.tablet.closed).toBe('4401 SESSION_REVOKED');
    expect(await refusedAsViewer(phone)).toBeUndefined();
    expect(sockets.phone.isOpen()).toBe(true);
    await sockets.phone.close();
  });

  it('rejects a wrong current password and revokes nothing', async () => {
    const phone = await withEmail(await newDevice(api));
    const tablet = await anotherDevice(phone);

    const { extensions } = await phone.refused(ChangePasswordDocument, {
      input: { currentPassword: `${OLD}!`, newPassword: NEW },
    });

    expect(extensions.code).toBe('INVALID_CREDENTIALS');
    expect(await loginCode(phone.email, OLD)).toBe('OK');
    expect(await refusedAsViewer(tablet)).toBeUndefined();
  });

  it('rejects an account without an e-mail address', async () => {
    const phone = await newDevice(api);

    const { extensions } = await phone.refused(ChangePasswordDocument, {
      input: { currentPassword: OLD, newPassword: NEW },
    });

    expect(extensions.code).toBe('INVALID_CREDENTIALS');
  });

  it.each([
    [
      'a new password that is too short',
      { currentPassword: OLD, newPassword: 'seven77' },
      'input.newPassword',
    ],
    [
      'a new password that is too long',
      { currentPassword: OLD, newPassword: 'x'.repeat(129) },
      'input.newPassword',
    ],
    ['an empty current password', { currentPassword: '', newPassword: NEW }, 'input.currentPassword'],
    [
      'a current password that is too long',
      { currentPassword: 'x'.repeat(129), newPassword: NEW },
      'input.currentPassword',
    ],
  ])('rejects %s and names the field', async (_, input, field) => {
    const phone = await withEmail(await newDevice(api));

    const { extensions } = await phone.refused(ChangePasswordDocument, { input });

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
  });

  it('succeeds for exactly one of two concurrent changes', async () => {
    const phone = await withEmail(await newDevice(api));
    const changeTo = (newPassword: string) =>
      changePassword(api.services, {
        caller: callerOf(phone),
        input: { currentPassword: OLD, newPassword },
      });

    const outcomes = await Promise.allSettled([changeTo(`${NEW} 1`), changeTo(`${NEW} 2`)]);

    const codes = outcomes.map((outcome) => (outcome.status === 'rejected' ? outcome.reason.code : 'OK'));
    expect([...codes].sort()).toEqual(['INVALID_CREDENTIALS', 'OK']);
    expect(await loginCode(phone.email, `${NEW} 1`)).toBe(codes[0]);
    expect(await loginCode(phone.email, `${NEW} 2`)).toBe(codes[1]);
  });

  it('counts wrong passwords together with those of logins', async () => {
    const limited = await startTestApi({ rateLimits: true });
    onTestFinished(() => limited.close());
    const phone = await withEmail(await newDevice(limited), limited);
    const guess = () =>
      phone.refused(ChangePasswordDocument, { input: { currentPassword: 'a guess', newPassword: NEW } });
    const login = () =>
      limited.anonymous.refused(LoginDocument, { input: { email: phone.email, password: 'a guess' } });

    for (let guesses = 0; guesses < 5; guesses++) {
      expect((await guess()).extensions.code).toBe('INVALID_CREDENTIALS');
      expect((await login()).extensions.code).toBe('INVALID_CREDENTIALS');
    }

    expect((await guess()).extensions).toMatchObject({
      code: 'RATE_LIMITED',
      retryAfterSeconds: expect.any(Number),
    });
    const right = await phone.refused(ChangePasswordDocument, {
      input: { currentPassword: OLD, newPassword: NEW },
    });
    expect(right.extensions.code).toBe('RATE_LIMITED');
  });

  it('writes an audit entry without either password', async () => {
    const phone = await withEmail(await newDevice(api));

    await change(phone, OLD, NEW);

    const entries = await api.services.db.auditEntry.findMany({
      where: { targetId: phone.userId, action: 'changePassword' },
    });
    expect(entries).toMatchObject([{ actorId: phone.userId, after: { endedSessionIds: [] } }]);
    expect(JSON.stringify(entries)).not.toMatch(/horse|argon2/);
  });
});

async function withEmail(device: TestDevice, { services } = api) {
  const { value: email } = await buildIdentity(services.db, {
    userId: device.userId,
    type: 'EMAIL',
    value: `${unique('user')}@example.test`,
    passwordHash: oldHash,
  });
  return Object.assign(device, { email });
}

const change = (device: TestDevice, currentPassword: string, newPassword: string) =>
  device.get(ChangePasswordDocument, { input: { currentPassword, newPassword } });

async function loginCode(email: string, password: string): Promise<string> {
  const { errors } = await api.anonymous.ask(LoginDocument, { input: { email, password } });
  return errors?.[0]?.extensions.code ?? 'OK';
}
