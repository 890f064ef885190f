import { randomInt, randomUUID } from 'node:crypto';
import { performance } from 'node:perf_hooks';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { hashPassword } from '../../../../src/modules/identity/credentials/password.ts';
import { resetAdmin } from '../../../../src/modules/lifecycle/admin/reset-admin.ts';
import { logIn } from '../../../../src/modules/lifecycle/login/log-in.ts';
import { inRequestScope } from '../../../../src/platform/request-scope.ts';
import { LoginDocument, ViewerDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import type { Answer } from '../../../support/client.ts';
import { buildIdentity, unique } from '../../../support/factories.ts';
import { refusalOf } from '../../../support/redeeming.ts';
import { keysLike } from '../../../support/redis-keys.ts';

const PASSWORD = 'correct horse battery staple';
const WRONG = 'wrong horse battery staple';

let api: TestApi;
let throttled: TestApi;
let passwordHash: string;
beforeAll(async () => {
  [api, throttled, passwordHash] = await Promise.all([
    startTestApi(),
    startTestApi({ rateLimits: true, env: { TRUST_PROXY: '1' } }),
    hashPassword(PASSWORD),
  ]);
});
afterAll(() => Promise.all([api.close(), throttled.close()]));

/** A new account; `enabled: false` disables it. */
async function newAccount({ services: { db } } = api, { enabled = true, value = newAddress() } = {}) {
  const { userId } = await buildIdentity(db, { type: 'EMAIL', value, passwordHash });
  await db.user.update({ where: { id: userId }, data: { enabled } });
  return { userId, email: value };
}

const newAddress = () => `${unique('user')}@example.test`;
const withoutId = ({ data, errors, status }: Answer<unknown>) => ({
  status,
  data,
  errors: errors?.map(({ extensions: { requestId, ...extensions }, ...error }) => ({ ...error, extensions })),
});

describe('logIn', () => {
  it('starts a session without a device, and records client address and user agent', async () => {
    const { email, userId } = await newAccount();

    const { login } = await api.anonymous.get(LoginDocument, { input: { email, password: PASSWORD } });

    const me = await api.anonymous.as(login.accessToken).get(ViewerDocument);
    expect(login).toMatchObject({ device: null, user: { id: userId, email } });
    expect(me.viewer).toMatchObject({ id: userId, sessions: { nodes: [{ current: true, device: null }] } });
    expect(await api.services.db.session.findMany({ where: { userId } })).toMatchObject([
      { ip: '127.0.0.1', userAgent: 'node', deviceId: null },
    ]);
  });

  it('accepts the e-mail address in any case and with surrounding spaces', async () => {
    const { email, userId } = await newAccount();

    const login = await logIn(api.services, { email: ` ${email.toUpperCase()} `, password: PASSWORD });

    expect(login.user.id).toBe(userId);
  });

  it('accepts an e-mail address without a dot', async () => {
    const { userId } = await newAccount(api, { value: 'admin@localhost' });

    const login = await logIn(api.services, { email: 'admin@localhost', password: PASSWORD });

    expect(login.user.id).toBe(userId);
  });

  it('returns the same error for unknown addresses, wrong passwords and disabled accounts', async () => {
    const { email } = await newAccount();
    const disabled = await newAccount(api, { enabled: false });
    const ask = (address: string, password: string) =>
      api.anonymous.ask(LoginDocument, { input: { email: address, password } });

    const answers = await Promise.all([
      ask(email, WRONG),
      ask(disabled.email, WRONG),
      ask(newAddress(), WRONG),
      ask(newAddress(), PASSWORD),
    ]);

    expect(answers[0]?.errors?.[0]?.extensions.code).toBe('INVALID_CREDENTIALS');
    for (const answer of answers) {
      expect(withoutId(answer)).toEqual(withoutId(answers[0] as Answer<unknown>));
      expect(Object.keys(answer.errors?.[0]?.extensions ?? {})).toEqual(['code', 'requestId', 'retryable']);
    }
  });

  it('takes the same time for an unknown address as for a wrong password', async () => {
    const { email } = await newAccount();
    const known: number[] = [];
    const unknown: number[] = [];

    for (let round = 0; round < 6; round += 1) {
      known.push(await timeOf(email));
      unknown.push(await timeOf(newAddress()));
    }

    const ratio = Math.min(...unknown) / Math.min(...known);
    expect(ratio).toBeGreaterThan(0.5);
    expect(ratio).toBeLessThan(2);
  });

  it('reveals that an account is disabled or closed only after a correct password', async () => {
    const disabled = await newAccount(api, { enabled: false });
    const closed = await newAccount();
    await api.services.db.user.update({ where: { id: closed.userId }, data: { deletedAt: new Date() } });

    for (const { email, userId } of [disabled, closed]) {
      await expect(logIn(api.services, { email, password: PASSWORD })).rejects.toMatchObject({
        code: 'ACCOUNT_DISABLED',
      });
      await expect(logIn(api.services, { email, password: WRONG })).rejects.toMatchObject({
        code: 'INVALID_CREDENTIALS',
      });
      expect(await api.services.db.session.count({ where: { userId } })).toBe(0);
    }
  });

  it('starts no session when the account is disabled concurrently', async () => {
    const { db } = api.services;
    const { email, userId } = await newAccount();

    const late = await db.$transaction(async (tx) => {
      await tx.user.update({ where: { id: userId }, data: { enabled: false } });
      const login = logIn(api.services, { email, password: PASSWORD });
      login.catch(() => {});
      await vi.waitFor(
        async () =>
          expect(
            await db.$queryRaw<unknown[]>`
              SELECT 1 FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
          ).toHaveLength(1),
        { timeout: 2_500 },
      );
      return { login };
    });

    await expect(late.login).rejects.toMatchObject({ code: 'ACCOUNT_DISABLED' });
    expect(await db.session.count({ where: { userId } })).toBe(0);
  });

  it.each([
    ['a malformed address', { email: 'nobody', password: PASSWORD }, 'input.email'],
    ['an address with a space', { email: 'a b@example.test', password: PASSWORD }, 'input.email'],
    ['an address that is too long', { email: `${'a'.repeat(250)}@b.de`, password: PASSWORD }, 'input.email'],
    ['an empty password', { email: 'a@b.de', password: '' }, 'input.password'],
    ['a password that is too long to hash', { email: 'a@b.de', password: 'x'.repeat(129) }, 'input.password'],
  ])('rejects %s and names the field', async (_, input, field) => {
    await expect(logIn(api.services, input)).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { field },
    });
  });

  it('does not accept the identifier of a device as an e-mail address', async () => {
    const { value } = await buildIdentity(api.services.db, { value: 'device@example.test' });

    await expect(logIn(api.services, { email: value, password: PASSWORD })).rejects.toMatchObject({
      code: 'INVALID_CREDENTIALS',
    });
  });
});

describe('logIn with rate limits', () => {
  const network = () => Array.from({ length: 4 }, () => randomInt(0x1000, 0xffff).toString(16)).join(':');
  const address = () => `${network()}::1`;

  const logInFrom = (ip: string, email: string, password = PASSWORD) =>
    inRequestScope({ requestId: randomUUID(), ip, userAgent: null }, () =>
      logIn(throttled.services, { email, password }),
    );

  const codeOf = async (login: Promise<unknown>) => (await refusalOf(login)).code;

  /** Sets the number of wrong passwords for the account, as if they came from many networks. */
  async function guessFromAnywhere(email: string, count: number) {
    const { db, redis, secrets } = throttled.services;
    const identity = await db.identity.findFirst({ where: { value: email } });
    const key = secrets.mac('wrong-password', `${email}\n${identity?.passwordHash ?? ''}`);
    await redis.set(`rate:wrong-password-of:${key.toString('base64url')}`, count, 'EX', 86_400);
  }

  /** Sends a login through HTTP with `from` as the client address. */
  async function ask(email: string, password: string, from: string) {
    const response = await fetch(`${throttled.url}/graphql`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-forwarded-for': from },
      body: JSON.stringify({ query: LoginDocument.toString(), variables: { input: { email, password } } }),
    });
    const { errors } = (await response.json()) as Answer<unknown>;
    return { retryAfter: response.headers.get('retry-after'), error: errors?.[0]?.extensions };
  }

  it.each([
    ['an existing account', async () => (await newAccount(throttled)).email],
    ['an unknown account', async () => newAddress()],
  ])(
    'rejects the eleventh attempt on %s from one network, even with the correct password, and returns Retry-After',
    async (_, of) => {
      const email = await of();
      const net = network();
      for (let wrong = 0; wrong < 10; wrong += 1) {
        expect((await ask(email, WRONG, `${net}::${wrong}`)).error?.code).toBe('INVALID_CREDENTIALS');
      }

      const { error, retryAfter } = await ask(email.toUpperCase(), PASSWORD, `${net}::1:1`);

      expect(error).toMatchObject({ code: 'RATE_LIMITED', retryable: true });
      expect(error?.retryAfterSeconds).toSatisfy((seconds: number) => seconds > 500 && seconds <= 600);
      expect(retryAfter).toBe(String(error?.retryAfterSeconds));
    },
  );

  it('does not let wrong passwords from other networks lock an account out', async () => {
    const { email, userId } = await newAccount(throttled);
    for (const from of [address(), '192.0.2.77'])
      for (let wrong = 0; wrong < 11; wrong += 1) await logInFrom(from, email, WRONG).catch(() => {});

    expect((await logInFrom(address(), email)).user.id).toBe(userId);
  });

  it('rejects unknown networks, but not those with a session, after 1,000 wrong passwords in a day', async () => {
    const { email, userId } = await newAccount(throttled);
    const [home, office] = [network(), '198.51.100.7'];
    for (const from of [`${home}::1`, office]) await logInFrom(from, email);
    await guessFromAnywhere(email, 1_000);

    expect(await codeOf(logInFrom(address(), email))).toBe('RATE_LIMITED');
    expect(await codeOf(logInFrom('198.51.100.8', email))).toBe('RATE_LIMITED');
    expect((await logInFrom(`${home}:1::2`, email)).user.id).toBe(userId);
    expect((await logInFrom(office, email)).user.id).toBe(userId);
  });

  it('takes no network for known because another account has a session from it', async () => {
    const [{ email }, other] = [await newAccount(throttled), await newAccount(throttled)];
    const office = address();
    await logInFrom(office, other.email);
    await guessFromAnywhere(email, 1_000);

    expect(await codeOf(logInFrom(office, email))).toBe('RATE_LIMITED');
  });

  it('limits guesses from a network with a session like those from any other', async () => {
    const { email } = await newAccount(throttled);
    const home = address();
    await logInFrom(home, email);

    for (let wrong = 0; wrong < 10; wrong += 1)
      expect(await codeOf(logInFrom(home, email, WRONG))).toBe('INVALID_CREDENTIALS');

    expect(await codeOf(logInFrom(home, email))).toBe('RATE_LIMITED');
  });

  it('returns the same error for an unknown account after 1,000 wrong passwords', async () => {
    const email = newAddress();
    await guessFromAnywhere(email, 1_000);

    expect(await codeOf(logInFrom(address(), email))).toBe('RATE_LIMITED');
  });

  it('lifts the limits of an admin when the admin is reset', async () => {
    const { email, userId } = await newAccount(throttled);
    await throttled.services.db.user.update({ where: { id: userId }, data: { role: 'ADMIN' } });
    const home = address();
    for (let wrong = 0; wrong < 10; wrong += 1) await logInFrom(home, email, WRONG).catch(() => {});
    await guessFromAnywhere(email, 1_000);
    expect(await codeOf(logInFrom(home, email))).toBe('RATE_LIMITED');

    await resetAdmin(throttled.services, { email, password: PASSWORD });

    expect((await logInFrom(home, email)).user.id).toBe(userId);
  });

  it('stores no e-mail address in the keys of its limits', async () => {
    const { email } = await newAccount(throttled);
    await logInFrom(address(), email, WRONG).catch(() => {});

    const keys = await keysLike(throttled.services.redis, 'rate:wrong-password*');

    expect(keys.length).toBeGreaterThan(2);
    expect(keys.join()).not.toContain('@');
  });

  it('does not count correct passwords', async () => {
    const { email } = await newAccount(throttled);
    const from = address();

    for (let login = 0; login < 12; login += 1) await logInFrom(from, email);

    const net = from.replace('::1', '');
    expect(await keysLike(throttled.services.redis, `rate:wrong-password*${net}*`)).toEqual([]);
  });

  it('does not reveal the password to a burst of concurrent guesses', async () => {
    const { email } = await newAccount(throttled);
    const guesses = [...Array.from({ length: 29 }, (_, index) => `${WRONG} ${index}`), PASSWORD];
    const scope = { requestId: randomUUID(), ip: address(), userAgent: null };

    const results = await Promise.allSettled(
      guesses.map((password) => inRequestScope(scope, () => logIn(throttled.services, { email, password }))),
    );

    const codes = results.map((result) => (result.status === 'rejected' ? result.reason.code : 'FOUND'));
    expect(codes).not.toContain('FOUND');
    expect(codes.at(-1)).toBe('RATE_LIMITED');
  });

  it('rejects a network after a hundred wrong passwords, whatever accounts they were for', async () => {
    const { email } = await newAccount(throttled);
    const { email: other } = await newAccount(throttled);
    const net = network();
    const from = (host: string) => ({ requestId: randomUUID(), ip: `${net}::${host}`, userAgent: null });
    await throttled.services.redis.set(`rate:wrong-password-from:${net}::/64`, 99, 'EX', 600);

    const guess = inRequestScope(from('1'), () => logIn(throttled.services, { email, password: WRONG }));
    await expect(guess).rejects.toMatchObject({ code: 'INVALID_CREDENTIALS' });

    const login = inRequestScope(from('2'), () =>
      logIn(throttled.services, { email: other, password: PASSWORD }),
    );
    await expect(login).rejects.toMatchObject({ code: 'RATE_LIMITED' });
    const elsewhere = { requestId: randomUUID(), ip: address(), userAgent: null };
    const allowed = inRequestScope(elsewhere, () =>
      logIn(throttled.services, { email: other, password: PASSWORD }),
    );
    expect((await allowed).user.id).toBeTypeOf('string');
  });
});

async function timeOf(email: string): Promise<number> {
  const start = performance.now();
  await logIn(api.services, { email, password: WRONG }).catch(() => {});
  return performance.now() - start;
}
