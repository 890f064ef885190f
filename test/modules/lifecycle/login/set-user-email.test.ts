import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { changeEmail } from '../../../../src/modules/lifecycle/login/change-email.ts';
import { setUserEmail } from '../../../../src/modules/lifecycle/login/set-user-email.ts';
import { SetUserEmailDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { buildSubscription, buildUser } from '../../../support/factories.ts';
import { callerOf, newDevice, openSocket, refusedAsViewer } from '../../../support/household.ts';
import { everyRow } from '../../../support/joining.ts';
import { tally } from '../../../support/redeeming.ts';
import { loginCode, newAddress, PASSWORD, withEmail } from '../../../support/with-email.ts';

let api: TestApi;
let admin: TestUser;
beforeAll(async () => {
  api = await startTestApi();
  admin = await api.newAdmin();
});
afterAll(() => api?.close());

const newCustomer = async () => withEmail(api, await newDevice(api));

/** An account with an e-mail address and no device. */
const withoutDevice = async () => withEmail(api, { userId: (await buildUser(api.services.db)).id });

async function codeOf(id: string, email: string | null | undefined): Promise<string> {
  const variables = { id, ...(email !== undefined && { email }) };
  const { errors } = await admin.ask(SetUserEmailDocument, variables);
  return errors?.[0]?.extensions.code ?? 'OK';
}

describe('setUserEmail', () => {
  it('changes the address, keeps the password and revokes all sessions', async () => {
    const phone = await newCustomer();
    const socket = await openSocket(phone);
    const email = newAddress();

    const answer = await admin.get(SetUserEmailDocument, { id: phone.userId, email: email.toUpperCase() });

    expect(answer.setUserEmail).toEqual({ id: phone.userId, email });
    expect(await socket.closed).toBe('4401 SESSION_REVOKED');
    expect(await refusedAsViewer(phone)).toBe('UNAUTHENTICATED');
    expect(await loginCode(api, email)).toBe('OK');
    expect(await loginCode(api, phone.email)).toBe('INVALID_CREDENTIALS');
  });

  it('removes the address if it is null', async () => {
    const phone = await newCustomer();

    const { setUserEmail: user } = await admin.get(SetUserEmailDocument, { id: phone.userId, email: null });

    expect(user).toEqual({ id: phone.userId, email: null });
    expect(await loginCode(api, phone.email)).toBe('INVALID_CREDENTIALS');
    expect(await api.services.db.user.count({ where: { id: phone.userId, deletedAt: null } })).toBe(1);
  });

  it('closes the account if the address was its last identity, but not one with a live subscription', async () => {
    const [closed, subscriber] = [await withoutDevice(), await withoutDevice()];
    await buildSubscription(api.services.db, { userId: subscriber.userId });

    expect(await codeOf(closed.userId, null)).toBe('OK');
    expect(await codeOf(subscriber.userId, null)).toBe('LAST_IDENTITY');

    expect(await api.services.db.user.count({ where: { id: closed.userId, deletedAt: null } })).toBe(0);
    expect(await loginCode(api, subscriber.email)).toBe('OK');
  });

  it('changes the address of another admin, but neither removes it nor changes the own one', async () => {
    const other = await api.newAdmin();
    const email = newAddress();

    expect(await codeOf(other.userId, email)).toBe('OK');
    expect(await codeOf(other.userId, null)).toBe('STILL_IN_USE');
    expect(await codeOf(admin.userId.toUpperCase(), newAddress())).toBe('FORBIDDEN');
    expect(await codeOf(admin.userId, null)).toBe('FORBIDDEN');

    expect(await loginCode(api, email, other.secret)).toBe('OK');
    expect(await refusedAsViewer(admin)).toBeUndefined();
  });

  it.each<[string, () => Promise<[id: string, email: string | null | undefined]>, string]>([
    [
      'an address that is taken',
      async () => [(await newCustomer()).userId, (await newCustomer()).email],
      'EMAIL_TAKEN',
    ],
    ['a malformed address', async () => [(await newCustomer()).userId, 'nobody'], 'BAD_USER_INPUT'],
    ['an omitted address', async () => [(await newCustomer()).userId, undefined], 'BAD_USER_INPUT'],
    [
      'an account without an address',
      async () => [(await newDevice(api)).userId, newAddress()],
      'BAD_USER_INPUT',
    ],
    [
      'an account that does not exist',
      async () => ['019a0000-0000-7000-8000-000000000000', newAddress()],
      'NOT_FOUND',
    ],
    [
      'a closed account',
      async () => [(await buildUser(api.services.db, { traits: ['closed'] })).id, newAddress()],
      'NOT_FOUND',
    ],
  ])('rejects %s and changes nothing', async (_, make, code) => {
    const [id, email] = await make();
    const before = await everyRow(api.services);

    expect(await codeOf(id, email)).toBe(code);

    expect(await everyRow(api.services)).toEqual(before);
  });

  it('gives an address either to the user of an admin or to a user who takes it concurrently', async () => {
    const [one, two] = [await newCustomer(), await newCustomer()];
    const email = newAddress();

    const counts = await tally([
      setUserEmail(api.services, { actorId: admin.userId, id: one.userId, email }),
      changeEmail(api.services, { caller: callerOf(two), input: { email, password: PASSWORD } }),
    ]);

    expect(counts).toEqual({ OK: 1, EMAIL_TAKEN: 1 });
  });

  it('writes an audit entry without addresses', async () => {
    const phone = await newCustomer();

    await admin.get(SetUserEmailDocument, { id: phone.userId, email: newAddress() });

    const entries = await api.services.db.auditEntry.findMany({ where: { targetId: phone.userId } });
    expect(entries.at(-1)).toMatchObject({
      action: 'setUserEmail',
      actorId: admin.userId,
      after: { isRemoved: false, accountClosed: false, endedSessionIds: [phone.sessionId] },
    });
    expect(JSON.stringify(entries)).not.toMatch(/@|horse|argon2/);
  });
});
