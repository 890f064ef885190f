import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../../../../src/modules/identity/credentials/password.ts';
import { logIn } from '../../../../src/modules/lifecycle/login/log-in.ts';
import { logInDevice } from '../../../../src/modules/lifecycle/login/log-in-device.ts';
import { required } from '../../../../src/platform/required.ts';
import { LoginDocument, ViewerDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { buildIdentity, unique } from '../../../support/factories.ts';
import { everyRow, joiningWith, newInstallation } from '../../../support/joining.ts';
import { newKey, prove } from '../../../support/prove.ts';
import { refusalOf } from '../../../support/redeeming.ts';
import type { TestServices } from '../../../support/services.ts';

const PASSWORD = 'correct horse battery staple';

let api: TestApi;
let services: TestServices;
let j: ReturnType<typeof joiningWith>;
let passwordHash: string;
beforeAll(async () => {
  [api, passwordHash] = await Promise.all([startTestApi(), hashPassword(PASSWORD)]);
  services = api.services;
  j = joiningWith(services);
});
afterAll(() => api.close());

/** An account with an address and no device. */
async function newAccount() {
  const value = `${unique('user')}@example.test`;
  const { userId } = await buildIdentity(services.db, { type: 'EMAIL', value, passwordHash });
  return { userId, email: value, password: PASSWORD };
}

describe('logIn with a device', () => {
  it('binds a new device, which gets the session and later logs in by itself', async () => {
    const { userId, email, password } = await newAccount();
    const device = newInstallation();

    const { login } = await api.anonymous.get(LoginDocument, { input: { email, password, device } });

    const me = await api.anonymous.as(login.accessToken).get(ViewerDocument);
    expect(me.viewer).toMatchObject({
      id: userId,
      devices: { nodes: [{ id: login.device?.id, current: true }] },
      sessions: { nodes: [{ current: true, device: { id: login.device?.id } }] },
    });
    expect((await logInDevice(services, device)).user.id).toBe(userId);
  });

  it('binds a device with a key', async () => {
    const { userId, email, password } = await newAccount();
    const { identifier } = newInstallation();
    const key = await newKey();
    const keyLogin = async () => ({
      identifier,
      publicKey: key.publicKey,
      proof: await prove(services, key, identifier),
    });

    await logIn(services, { email, password, device: await keyLogin() });

    expect((await logInDevice(services, await keyLogin())).user.id).toBe(userId);
  });

  it('accepts a device of the same account and revokes its previous session', async () => {
    const { userId, email, password } = await newAccount();
    const device = newInstallation();
    await logIn(services, { email, password, device });
    const other = await logIn(services, { email, password });

    await logIn(services, { email, password, device });

    const live = await services.db.session.findMany({ where: { userId, revokedAt: null } });
    expect(live).toHaveLength(2);
    expect(await services.db.session.count({ where: { userId } })).toBe(3);
    expect(await services.db.device.count({ where: { userId } })).toBe(1);
    expect((await api.anonymous.as(other.accessToken).get(ViewerDocument)).viewer?.id).toBe(userId);
  });

  it('moves a device from another account only after confirmation', async () => {
    const { userId, email, password } = await newAccount();
    const app = await j.newApp();
    const device = { identifier: app.identifier, secret: app.secret };

    const { code, details } = await refusalOf(logIn(services, { email, password, device }));

    expect(code).toBe('DEVICE_BOUND_ELSEWHERE');
    const { confirmationToken } = details;
    await logIn(services, { email, password, device: { ...device, confirmationToken } });
    expect(await j.ownerOf(app)).toBe(userId);
    expect(await j.user(app.userId)).toMatchObject({ mergedIntoId: userId });
  });

  it.each([
    ['no credential', () => ({}), 'DEVICE_PROOF_REQUIRED', 0],
    ['a wrong secret', () => ({ secret: newInstallation().secret }), 'DEVICE_PROOF_INVALID', 1],
  ])('rejects a device of another account with %s', async (_, credential, code, audited) => {
    const { email, password } = await newAccount();
    const { identifier, deviceId } = await j.newApp();
    const { audit_entries: _audit, ...before } = await everyRow(services);

    const input = { email, password, device: { identifier, ...credential() } };

    expect((await api.anonymous.refused(LoginDocument, { input })).extensions.code).toBe(code);
    const { audit_entries: _later, ...after } = await everyRow(services);
    expect(after).toEqual(before);
    const entries = { action: 'deviceProofRefused', targetId: deviceId };
    expect(await services.db.auditEntry.count({ where: entries })).toBe(audited);
  });

  it('requires the proof of a device even for its own account', async () => {
    const { email, password } = await newAccount();
    const device = newInstallation();
    await logIn(services, { email, password, device });

    for (const [credential, code] of [
      [{}, 'DEVICE_PROOF_REQUIRED'],
      [{ secret: newInstallation().secret }, 'DEVICE_PROOF_INVALID'],
    ] as const) {
      const input = { email, password, device: { identifier: device.identifier, ...credential } };
      expect((await refusalOf(logIn(services, input))).code).toBe(code);
    }
  });

  it('rejects a link code, because the password already selects the account', async () => {
    const { userId, email, password } = await newAccount();
    const device = { ...newInstallation(), linkCode: await j.linkCode(userId) };

    expect(
      (await api.anonymous.refused(LoginDocument, { input: { email, password, device } })).extensions,
    ).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.device.linkCode' });
  });

  it('reveals nothing about the device after a wrong password', async () => {
    const { email } = await newAccount();
    const { identifier } = await j.newApp();

    const input = { email, password: 'wrong', device: { ...newInstallation(), identifier } };

    expect((await refusalOf(logIn(services, input))).code).toBe('INVALID_CREDENTIALS');
  });

  it.each(['account', 'device'] as const)('rejects a disabled %s', async (what) => {
    const { userId, email, password } = await newAccount();
    const device = newInstallation();
    const { device: bound } = await logIn(services, { email, password, device });
    if (what === 'account')
      await services.db.user.update({ where: { id: userId }, data: { enabled: false } });
    else
      await services.db.device.update({
        where: { id: required(bound, 'device of the login').id },
        data: { enabled: false },
      });

    const refusal = await refusalOf(logIn(services, { email, password, device }));

    expect(refusal.code).toBe(what === 'account' ? 'ACCOUNT_DISABLED' : 'DEVICE_DISABLED');
  });
});
