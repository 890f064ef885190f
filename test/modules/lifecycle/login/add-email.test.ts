import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { UserCaller } from '../../../../src/modules/kernel/caller.ts';
import { addEmail } from '../../../../src/modules/lifecycle/login/add-email.ts';
import { logIn } from '../../../../src/modules/lifecycle/login/log-in.ts';
import { AddEmailDocument, ViewerDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { buildCaller, unique } from '../../../support/factories.ts';
import { everyRow } from '../../../support/joining.ts';
import { refusalOf, tally } from '../../../support/redeeming.ts';
import { createTestServices, type TestServices } from '../../../support/services.ts';

const PASSWORD = 'correct horse battery staple';

let api: TestApi;
let services: TestServices;
beforeAll(async () => {
  api = await startTestApi();
  services = api.services;
});
afterAll(() => api.close());

const newAddress = () => `${unique('user')}@example.test`;
const newCaller = () => buildCaller(services.db);
const add = (caller: UserCaller, email: string) =>
  addEmail(services, { caller, input: { email, password: PASSWORD } });

describe('addEmail', () => {
  it('adds an e-mail address that can log in to the account of a device', async () => {
    const user = await api.newUser();
    const email = newAddress();

    const answer = await user.get(AddEmailDocument, {
      input: { email: email.toUpperCase(), password: PASSWORD },
    });

    expect(answer.addEmail).toEqual({ id: user.userId, email });
    expect((await user.get(ViewerDocument)).viewer).toMatchObject({ id: user.userId, email });
    expect((await logIn(services, { email, password: PASSWORD })).user.id).toBe(user.userId);
  });

  it('writes an audit entry without the password', async () => {
    const caller = await newCaller();
    const { userId } = caller;

    await add(caller, newAddress());

    const entries = await services.db.auditEntry.findMany({ where: { targetId: userId } });
    expect(entries).toMatchObject([{ action: 'addEmail', actorId: userId }]);
    expect(JSON.stringify(entries)).not.toContain(PASSWORD);
  });

  it('rejects an address that is taken, in any case, and a second address for one account', async () => {
    const [one, two] = [await newCaller(), await newCaller()];
    const email = newAddress();
    await add(one, email);
    const before = await everyRow(services);

    expect((await refusalOf(add(two, email.toUpperCase()))).code).toBe('EMAIL_TAKEN');
    expect(await refusalOf(add(one, newAddress()))).toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { field: 'input.email' },
    });
    expect(await everyRow(services)).toEqual(before);
  });

  it('gives an address to one of ten concurrent accounts, and an account one of ten concurrent addresses', async () => {
    const callers = await Promise.all(Array.from({ length: 10 }, newCaller));
    const email = newAddress();
    const caller = await newCaller();

    const accounts = await tally(callers.map((one) => add(one, email)));
    const addresses = await tally(callers.map(() => add(caller, newAddress())));

    expect(accounts).toEqual({ OK: 1, EMAIL_TAKEN: 9 });
    expect(addresses).toEqual({ OK: 1, BAD_USER_INPUT: 9 });
  });

  it('adds nothing for a session that was revoked after the request was authenticated', async () => {
    const caller = await newCaller();
    await services.db.session.update({ where: { id: caller.sessionId }, data: { revokedAt: new Date() } });

    expect((await refusalOf(add(caller, newAddress()))).code).toBe('UNAUTHENTICATED');
    expect(await services.db.identity.count({ where: { userId: caller.userId } })).toBe(0);
  });

  it.each([
    ['a malformed address', { email: 'nobody' }, 'input.email'],
    ['a password of 7 characters', { password: '7777777' }, 'input.password'],
  ])('rejects %s', async (_, fields, field) => {
    const user = await api.newUser();
    const input = { email: newAddress(), password: PASSWORD, ...fields };

    const { extensions } = await user.refused(AddEmailDocument, { input });

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field });
  });

  it('rate limits an account after ten attempts in an hour, because errors reveal taken addresses', async () => {
    const limited = await createTestServices({ rateLimits: true });
    const caller = await buildCaller(limited.db);
    const input = { email: newAddress(), password: PASSWORD };
    const ask = () => addEmail(limited, { caller, input });

    const counts = await tally(Array.from({ length: 10 }, ask));

    expect(counts).toEqual({ OK: 1, EMAIL_TAKEN: 9 });
    expect((await refusalOf(ask())).code).toBe('RATE_LIMITED');
    await limited.close();
  });
});
