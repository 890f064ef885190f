import { hash } from '@node-rs/argon2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hashPassword } from '../../../../src/modules/identity/credentials/password.ts';
import { normalizeStoredEmails } from '../../../../src/modules/lifecycle/login/normalize-stored-emails.ts';
import {
  ChangePasswordDocument,
  LoginDocument,
  RegisterDocument,
  UsersDocument,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { buildIdentity, unique } from '../../../support/factories.ts';

const PASSWORD = 'correct horse battery staple';

let api: TestApi;
let passwordHash: string;
beforeAll(async () => {
  [api, passwordHash] = await Promise.all([startTestApi(), hashPassword(PASSWORD)]);
});
afterAll(() => api?.close());

const logIn = async (email: string, password = PASSWORD) => {
  const { data, errors } = await api.anonymous.ask(LoginDocument, { input: { email, password } });
  return data?.login.user.id ?? errors?.[0]?.extensions.code;
};
const register = async (email: string, password = PASSWORD) => {
  const { data, errors } = await api.anonymous.ask(RegisterDocument, { input: { email, password } });
  return data ? 'OK' : errors?.[0]?.extensions;
};
/** Stores an address as earlier versions did. */
const stored = async (value: string) => {
  const { userId } = await buildIdentity(api.services.db, { type: 'EMAIL', value, passwordHash });
  return userId;
};

describe('register', () => {
  it('makes one account of the spellings of an address', async () => {
    const name = unique('jos\u00e9');
    expect(await register(`${name}@b\u00fccher.example`)).toBe('OK');

    for (const twin of [
      `${name.normalize('NFD')}@b\u00fccher.example`,
      `${name.toUpperCase()}@XN--BCHER-KVA.EXAMPLE.`,
      `${name}@bu\u0308cher.example`,
      `${name}＠bücher。example`,
    ])
      expect(await register(twin)).toMatchObject({ code: 'EMAIL_TAKEN' });
  });

  it.each(['a\u200bnn@example.com', 'ann@exam\u00adple.com', 'ann\u0007@example.com'])(
    'refuses %j, naming the field',
    async (email) => {
      expect(await register(email)).toMatchObject({ code: 'BAD_USER_INPUT', field: 'input.email' });
    },
  );

  it('refuses a password with a line break', async () => {
    expect(await register(`${unique('user')}@example.com`, 'long enough\n')).toMatchObject({
      code: 'BAD_USER_INPUT',
      field: 'input.password',
    });
  });
});

describe('login', () => {
  it('accepts a password however a keyboard composes it', async () => {
    const email = `${unique('user')}@example.com`;
    const [composed, decomposed] = ['p\u00e4sswort \u00e9\u00e9', 'pa\u0308sswort\u00a0e\u0301\u00e9'];
    expect(await register(email, decomposed)).toBe('OK');

    for (const password of [composed, decomposed]) expect(await logIn(email, password)).toMatch(/-/);
    expect(await logIn(email, 'passwort ee')).toBe('INVALID_CREDENTIALS');
  });

  it('accepts a password that was hashed as it was typed', async () => {
    const typed = 'pa\u0308sswort';
    const value = `${unique('user')}@example.com`;
    const cheap = { memoryCost: 1_024, timeCost: 1 };
    await buildIdentity(api.services.db, { type: 'EMAIL', value, passwordHash: await hash(typed, cheap) });

    for (const password of [typed, typed.normalize('NFC')]) expect(await logIn(value, password)).toMatch(/-/);
    expect(await logIn(value, 'passwort')).toBe('INVALID_CREDENTIALS');
  });

  it('finds every spelling of an address that was stored before there was one form', async () => {
    const name = unique('user');
    const [plain, hidden] = [await stored(`${name}@example.com`), await stored(`${name}\u200b@example.com`)];

    expect(await logIn(`${name}@EXAMPLE.com.`)).toBe(plain);
    expect(await logIn(`${name}\u200b@example.com`)).toBe(hidden);
  });
});

describe('normalizeStoredEmails', () => {
  it('changes odd addresses, keeps those whose form is taken, and lets all of them log in', async () => {
    const name = unique('jos\u00e9');
    const odd = {
      decomposed: await stored(`${name.normalize('NFD')}1@example.com`),
      unicode: await stored(`${name}2@b\u00fccher.example`),
      dotted: await stored(`${name}3@example.com.`),
      taken: await stored(`${name}@example.com.`),
      hidden: await stored(`${name}\u200b4@example.com`),
    };
    const plain = await stored(`${name}@example.com`);

    const first = await normalizeStoredEmails(api.services);
    const second = await normalizeStoredEmails(api.services);

    expect(first.changed).toBeGreaterThanOrEqual(3);
    expect(second.changed).toBe(0);
    for (const { keptBy } of [first, second]) {
      expect(keptBy).toEqual(expect.arrayContaining([odd.taken, odd.hidden]));
      expect(keptBy).not.toContain(odd.unicode);
    }
    expect(await logIn(`${name}1@example.com`)).toBe(odd.decomposed);
    expect(await logIn(`${name}2@b\u00fccher.example`)).toBe(odd.unicode);
    expect(await logIn(`${name}2@xn--bcher-kva.example`)).toBe(odd.unicode);
    expect(await logIn(`${name}3@example.com.`)).toBe(odd.dotted);
    expect(await logIn(`${name}@example.com.`)).toBe(odd.taken);
    expect(await logIn(`${name}\u200b4@example.com`)).toBe(odd.hidden);
    expect(await logIn(`${name}@example.com`)).toBe(plain);
  });

  it('reads only addresses that may be odd', async () => {
    const plan = await api.services.db.$queryRaw<Record<string, string>[]>`
      EXPLAIN SELECT id FROM identities
      WHERE type = 'EMAIL' AND NOT tessera_is_plain_email(value) ORDER BY id LIMIT 10`;

    expect(JSON.stringify(plan)).toContain('identities_odd_email_idx');
  });
});

describe('users', () => {
  it('finds an address by any spelling of it', async () => {
    const admin = await api.newAdmin();
    const name = unique('zo\u00eb');
    expect(await register(`${name}@b\u00fccher.example`)).toBe('OK');

    for (const email of [`${name.normalize('NFD').toUpperCase()}`, `${name}@b\u00fccher.example`]) {
      const { users } = await admin.get(UsersDocument, { filter: { email } });
      expect(users?.nodes.map((user) => user.email)).toEqual([`${name}@xn--bcher-kva.example`]);
    }
  });
});

describe('changePassword', () => {
  it('accepts the old password in another composition', async () => {
    const email = `${unique('user')}@example.com`;
    expect(await register(email, 'p\u00e4sswort 1')).toBe('OK');
    const { login } = await api.anonymous.get(LoginDocument, {
      input: { email, password: 'p\u00e4sswort 1' },
    });

    await api.anonymous.as(login.accessToken).get(ChangePasswordDocument, {
      input: { currentPassword: 'pa\u0308sswort 1', newPassword: 'pa\u0308sswort 2' },
    });

    expect(await logIn(email, 'p\u00e4sswort 2')).toMatch(/-/);
  });
});
