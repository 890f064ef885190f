import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { lockUsers } from '../../../../src/modules/kernel/locks.ts';
import { changeEmail } from '../../../../src/modules/lifecycle/login/change-email.ts';
import { logIn } from '../../../../src/modules/lifecycle/login/log-in.ts';
import { ChangeEmailDocument, ViewerDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { runBlocked } from '../../../support/blocked-work.ts';
import {
  anotherDevice,
  callerOf,
  newDevice,
  openSocket,
  refusedAsViewer,
} from '../../../support/household.ts';
import { everyRow } from '../../../support/joining.ts';
import { refusalOf, tally } from '../../../support/redeeming.ts';
import { loginCode, newAddress, PASSWORD, withEmail } from '../../../support/with-email.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api?.close());

const newCustomer = async (of = api) => withEmail(of, await newDevice(of));
type Customer = Awaited<ReturnType<typeof newCustomer>>;

const change = (customer: Customer, email: string, password = PASSWORD) =>
  changeEmail(api.services, { caller: callerOf(customer), input: { email, password } });

describe('changeEmail', () => {
  it('makes logins accept the new address with the same password, and frees the old one', async () => {
    const phone = await newCustomer();
    const email = newAddress();

    const answer = await phone.get(ChangeEmailDocument, {
      input: { email: ` ${email.toUpperCase()} `, password: PASSWORD },
    });

    expect(answer.changeEmail).toEqual({ id: phone.userId, email });
    expect((await phone.get(ViewerDocument)).viewer?.email).toBe(email);
    expect(await loginCode(api, email)).toBe('OK');
    expect(await loginCode(api, phone.email)).toBe('INVALID_CREDENTIALS');
    await change(await newCustomer(), phone.email);
  });

  it('revokes the other sessions immediately and keeps the session of the caller', async () => {
    const phone = await newCustomer();
    const tablet = await anotherDevice(phone);
    const sockets = { phone: await openSocket(phone), tablet: await openSocket(tablet) };

    await change(phone, newAddress());

    expect(await refusedAsViewer(tablet)).toBe('UNAUTHENTICATED');
    expect(await sockets.tablet.closed).toBe('4401 SESSION_REVOKED');
    expect(await refusedAsViewer(phone)).toBeUndefined();
    expect(sockets.phone.isOpen()).toBe(true);
    await sockets.phone.close();
  });

  it.each([
    ['a wrong password', async () => ({ customer: await newCustomer(), password: `${PASSWORD}!` })],
    ['an account without an address', async () => ({ customer: await newDevice(api), password: PASSWORD })],
  ])('rejects %s and changes nothing, whether or not the address is taken', async (_, make) => {
    const { customer, password } = await make();
    const taken = await newCustomer();
    const before = await everyRow(api.services);

    for (const email of [newAddress(), taken.email]) {
      const refusal = await refusalOf(change(customer as Customer, email, password));
      expect(refusal.code).toBe('INVALID_CREDENTIALS');
    }
    expect(await everyRow(api.services)).toEqual(before);
  });

  it('rejects an address that is taken, in any case, and changes nothing', async () => {
    const [phone, other] = [await newCustomer(), await newCustomer()];
    const before = await everyRow(api.services);

    expect((await refusalOf(change(phone, other.email.toUpperCase()))).code).toBe('EMAIL_TAKEN');

    expect(await everyRow(api.services)).toEqual(before);
  });

  it('gives an address to one of five concurrent accounts', async () => {
    const customers = await Promise.all(Array.from({ length: 5 }, () => newCustomer()));
    const email = newAddress();

    const counts = await tally(customers.map((customer) => change(customer, email)));

    expect(counts).toEqual({ OK: 1, EMAIL_TAKEN: 4 });
    expect(await api.services.db.identity.count({ where: { value: email } })).toBe(1);
  });

  it('succeeds for exactly one of two changes that are confirmed concurrently', async () => {
    const phone = await newCustomer();
    const lock = (tx: Parameters<typeof lockUsers>[0]) => lockUsers(tx, [phone.userId]);
    const changes = () => tally([change(phone, newAddress()), change(phone, newAddress())]);

    const counts = await runBlocked(api.services.db, lock, changes, 2);

    expect(counts).toMatchObject({ value: { OK: 1, INVALID_CREDENTIALS: 1 } });
  });

  it('rejects a login with the old address that had checked its password before', async () => {
    const phone = await newCustomer();
    const { db } = api.services;

    const login = await runBlocked(
      db,
      async (tx) => {
        await lockUsers(tx, [phone.userId]);
        const where = { userId: phone.userId, type: 'EMAIL' } as const;
        await tx.identity.updateMany({ where, data: { value: newAddress() } });
      },
      () => logIn(api.services, { email: phone.email, password: PASSWORD }),
    );

    expect(login).toMatchObject({ status: 'rejected', reason: { code: 'INVALID_CREDENTIALS' } });
  });

  it.each([
    ['a malformed address', { email: 'nobody' }, 'input.email'],
    ['an empty password', { password: '' }, 'input.password'],
    ['a password that is too long', { password: 'x'.repeat(129) }, 'input.password'],
  ])('rejects %s and names the field', async (_, fields, field) => {
    const phone = await newCustomer();

    const { extensions } = await phone.refused(ChangeEmailDocument, {
      input: { email: newAddress(), password: PASSWORD, ...fields },
    });

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
  });

  it('rate limits wrong passwords, and attempts together with those of addEmail', async () => {
    const limited = await startTestApi({ rateLimits: true });
    onTestFinished(() => limited.close());
    const phone = await newCustomer(limited);
    const taken = await newCustomer(limited);
    const attempt = async (password: string) =>
      (await phone.ask(ChangeEmailDocument, { input: { email: taken.email, password } })).errors?.[0]
        ?.extensions;

    for (let attempts = 0; attempts < 5; attempts++) {
      expect((await attempt('a guess'))?.code).toBe('INVALID_CREDENTIALS');
      expect((await attempt(PASSWORD))?.code).toBe('EMAIL_TAKEN');
    }

    expect(await attempt(PASSWORD)).toMatchObject({
      code: 'RATE_LIMITED',
      retryAfterSeconds: expect.any(Number),
    });
    for (let guesses = 0; guesses < 5; guesses++) {
      expect(await loginCode(limited, phone.email, 'a guess')).toBe('INVALID_CREDENTIALS');
    }
    expect(await loginCode(limited, phone.email)).toBe('RATE_LIMITED');
  });

  it('writes an audit entry without addresses or password', async () => {
    const phone = await newCustomer();
    const { sessionId } = await anotherDevice(phone);
    const email = newAddress();

    await change(phone, email);

    const entries = await api.services.db.auditEntry.findMany({
      where: { targetId: phone.userId, action: 'changeEmail' },
    });
    expect(entries).toMatchObject([{ actorId: phone.userId, after: { endedSessionIds: [sessionId] } }]);
    expect(JSON.stringify(entries)).not.toMatch(/@|horse|argon2/);
  });
});
