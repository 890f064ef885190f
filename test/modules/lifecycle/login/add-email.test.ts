import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { addEmail } from '../../../../src/modules/lifecycle/login/add-email.ts';
import { logIn } from '../../../../src/modules/lifecycle/login/log-in.ts';
import { AddEmailDocument, ViewerDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { buildUser, unique } from '../../../support/factories.ts';
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
const add = (userId: string, email: string) =>
  addEmail(services, { userId, input: { email, password: PASSWORD } });

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
    const { userId } = await api.newUser();

    await add(userId, newAddress());

    const entries = await services.db.auditEntry.findMany({ where: { targetId: userId } });
    expect(entries).toMatchObject([{ action: 'addEmail', actorId: userId }]);
    expect(JSON.stringify(entries)).not.toContain(PASSWORD);
  });

  it('rejects an address that is taken, in any case, and a second address for one account', async () => {
    const [one, two] = [await buildUser(services.db), await buildUser(services.db)];
    const email = newAddress();
    await add(one.id, email);
    const before = await everyRow(services);

    expect((await refusalOf(add(two.id, email.toUpperCase()))).code).toBe('EMAIL_TAKEN');
    expect(await refusalOf(add(one.id, newAddress()))).toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { field: 'input.email' },
    });
    expect(await everyRow(services)).toEqual(before);
  });

  it('gives an address to one of ten concurrent accounts, and an account one of ten concurrent addresses', async () => {
    const users = await Promise.all(Array.from({ length: 10 }, () => buildUser(services.db)));
    const email = newAddress();
    const { id } = await buildUser(services.db);

    const accounts = await tally(users.map((user) => add(user.id, email)));
    const addresses = await tally(users.map(() => add(id, newAddress())));

    expect(accounts).toEqual({ OK: 1, EMAIL_TAKEN: 9 });
    expect(addresses).toEqual({ OK: 1, BAD_USER_INPUT: 9 });
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
    const { id: userId } = await buildUser(limited.db);
    const input = { email: newAddress(), password: PASSWORD };
    const ask = () => addEmail(limited, { userId, input });

    const counts = await tally(Array.from({ length: 10 }, ask));

    expect(counts).toEqual({ OK: 1, EMAIL_TAKEN: 9 });
    expect((await refusalOf(ask())).code).toBe('RATE_LIMITED');
    await limited.close();
  });
});
