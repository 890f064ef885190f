import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { PreviewRedemptionDocument, RedeemCodeDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import type { post } from '../../../support/client.ts';
import { newCode } from '../../../support/codes.ts';
import { buildNode, buildPlan, buildServer, buildWrongGuess, inDays } from '../../../support/factories.ts';

const [SERVER, NODE] = ['198.51.100.7', '2001:db8:77::1'];

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi({ rateLimits: true, env: { TRUST_PROXY: '1' } });
  // Create them before the first request: addresses of servers are re-read only every 30 s.
  const server = await buildServer(api.services.db, { address: SERVER });
  await buildNode(api.services.db, { serverId: server.id, address: NODE });
});
afterAll(() => api.close());

const wrongCode = (n: number) => `WRNG-${String(n).padStart(12, '0')}`;
let address = 0;
/** An address without wrong guesses. */
const newAddress = () => `203.0.${Math.floor(++address / 250)}.${(address % 250) + 1}`;

async function newUser(): Promise<TestUser> {
  return api.newUser();
}

/**
 * @returns the refusal of a guess from an address; its `code` is undefined if the guess was right
 */
async function guess(
  user: TestUser,
  code: string,
  from: string,
  document: object = RedeemCodeDocument,
  at: TestApi = api,
) {
  const variables = document === RedeemCodeDocument ? { input: { code } } : { code };
  const response = await fetch(`${at.url}/graphql`, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      authorization: `Bearer ${user.token}`,
      'x-forwarded-for': from,
    },
    body: JSON.stringify({ query: String(document), variables }),
  });
  const { errors } = (await response.json()) as Awaited<ReturnType<typeof post>>;
  return {
    code: errors?.[0]?.extensions.code,
    retryAfterSeconds: errors?.[0]?.extensions.retryAfterSeconds,
    response,
  };
}

describe('wrong guesses', () => {
  it('are limited to 10 per user in 10 minutes, by redeemCode and previewRedemption together, from any address', async () => {
    const user = await newUser();
    const { code } = await newCode(api.services);

    for (let n = 0; n < 10; n++) {
      const document = n % 2 ? RedeemCodeDocument : PreviewRedemptionDocument;
      expect((await guess(user, wrongCode(n), newAddress(), document)).code).toBe('CODE_NOT_FOUND');
    }

    for (const document of [RedeemCodeDocument, PreviewRedemptionDocument]) {
      const refused = await guess(user, code, newAddress(), document);
      expect(refused.code).toBe('RATE_LIMITED');
      expect(refused.retryAfterSeconds).toBeGreaterThan(500);
      expect(refused.retryAfterSeconds).toBeLessThanOrEqual(600);
      expect(refused.response.headers.get('retry-after')).toBe(String(refused.retryAfterSeconds));
    }
    expect((await guess(await newUser(), code, newAddress())).code).toBeUndefined();
  });

  it('are limited to the same number when made concurrently', async () => {
    const user = await newUser();
    const from = newAddress();

    const answers = await Promise.all(Array.from({ length: 40 }, (_, n) => guess(user, wrongCode(n), from)));

    const codes = answers.map(({ code }) => code);
    expect(codes.filter((code) => code === 'CODE_NOT_FOUND')).toHaveLength(10);
    expect(codes.filter((code) => code === 'RATE_LIMITED')).toHaveLength(30);
  });

  it('made concurrently prevent the evaluation of a right guess queued behind them', async () => {
    const user = await newUser();
    const from = newAddress();
    const { code } = await newCode(api.services);
    const codes = [...Array.from({ length: 40 }, (_, n) => wrongCode(n)), code];

    const answers = await Promise.all(
      codes.map((each, n) => guess(user, each, from, n % 2 ? PreviewRedemptionDocument : RedeemCodeDocument)),
    );

    expect(answers.at(-1)?.code).toBe('RATE_LIMITED');
    expect(await api.services.db.wrongGuess.findMany({ where: { userId: user.userId } })).toMatchObject([
      { count: 10 },
    ]);
  });

  it('from one address are limited to 100 across concurrent users', async () => {
    const from = newAddress();
    const users = await Promise.all(Array.from({ length: 12 }, newUser));
    const answers = await Promise.all(
      users.flatMap((user) => Array.from({ length: 10 }, (_, n) => guess(user, wrongCode(n), from))),
    );

    expect(answers.filter(({ code }) => code === 'CODE_NOT_FOUND')).toHaveLength(100);
    const counts = await api.services.db.wrongGuess.aggregate({
      _sum: { count: true },
      where: { userId: { in: users.map(({ userId }) => userId) } },
    });
    expect(counts._sum.count).toBe(100);
  });

  it('do not include existing codes that cannot be redeemed, nor malformed input', async () => {
    const user = await newUser();
    const from = newAddress();
    const { id: planId } = await buildPlan(api.services.db, { traits: ['withdrawn'] });
    const refusals = await Promise.all([
      newCode(api.services, { code: { enabled: false } }),
      newCode(api.services, { code: { expiresAt: inDays(-1) } }),
      newCode(api.services, { code: { maxUses: 1, usedCount: 1 } }),
      newCode(api.services, { batch: { planId } }),
    ]);
    const { code } = await newCode(api.services);

    for (let round = 0; round < 4; round++) {
      for (const refused of refusals)
        expect((await guess(user, refused.code, from)).code).not.toBe('RATE_LIMITED');
      expect((await guess(user, '?', from)).code).toBe('BAD_USER_INPUT');
    }

    expect((await guess(user, code, from)).code).toBeUndefined();
  });

  it('are limited to 100 per address, with an IPv6 /64 network as one address', async () => {
    const network = '2001:db8:5:5';
    for (let u = 0; u < 10; u++) {
      const user = await newUser();
      await Promise.all(
        Array.from({ length: 10 }, (_, n) => guess(user, wrongCode(n), `${network}:${u}::${n + 1}`)),
      );
    }
    const user = await newUser();

    expect((await guess(user, wrongCode(0), `${network}:ffff::1`)).code).toBe('RATE_LIMITED');
    expect((await guess(user, wrongCode(0), '2001:db8:5:6::1')).code).toBe('CODE_NOT_FOUND');
  });

  it.each([
    ['server', SERVER],
    ['node', NODE],
  ])('from the address of a %s count only against the user', async (_, from) => {
    for (let u = 0; u < 11; u++) {
      const user = await newUser();
      await Promise.all(Array.from({ length: 10 }, (_each, n) => guess(user, wrongCode(n), from)));
      expect((await guess(user, wrongCode(11), from)).code).toBe('RATE_LIMITED');
    }

    expect((await guess(await newUser(), wrongCode(0), from)).code).toBe('CODE_NOT_FOUND');
  });

  it('are limited to 100 per user and day, even if Redis loses its data', async () => {
    const user = await newUser();
    const { code } = await newCode(api.services);
    await buildWrongGuess(api.services.db, { userId: user.userId, count: 98 });
    expect((await guess(user, wrongCode(1), newAddress())).code).toBe('CODE_NOT_FOUND');
    expect((await guess(user, wrongCode(2), newAddress(), PreviewRedemptionDocument)).code).toBe(
      'CODE_NOT_FOUND',
    );
    await api.services.redis.del(`rate:wrong-code:${user.userId}`);

    const refused = await guess(user, code, newAddress());

    expect(refused.code).toBe('RATE_LIMITED');
    const midnight = new Date().setUTCHours(24, 0, 0, 0);
    expect(Math.abs(Number(refused.retryAfterSeconds) - (midnight - Date.now()) / 1_000)).toBeLessThan(5);
    expect((await guess(user, code, newAddress(), PreviewRedemptionDocument)).code).toBe('RATE_LIMITED');
    expect(await api.services.db.wrongGuess.findMany({ where: { userId: user.userId } })).toMatchObject([
      { count: 100 },
    ]);
  });

  it('of the previous day do not count', async () => {
    const user = await newUser();
    const { code } = await newCode(api.services);
    await buildWrongGuess(api.services.db, { userId: user.userId, count: 100, day: inDays(-1) });

    expect((await guess(user, code, newAddress())).code).toBeUndefined();
  });

  it('are neither limited nor counted while rate limits are off', async () => {
    const unlimited = await startTestApi();
    onTestFinished(() => unlimited.close());
    const user = await unlimited.newUser();
    await buildWrongGuess(unlimited.services.db, { userId: user.userId, count: 100 });
    const { code } = await newCode(unlimited.services);
    for (const document of [RedeemCodeDocument, PreviewRedemptionDocument])
      expect((await guess(user, wrongCode(1), newAddress(), document, unlimited)).code).toBe(
        'CODE_NOT_FOUND',
      );

    for (const document of [PreviewRedemptionDocument, RedeemCodeDocument])
      expect((await guess(user, code, newAddress(), document, unlimited)).code).toBeUndefined();

    expect(await unlimited.services.db.wrongGuess.findMany({ where: { userId: user.userId } })).toMatchObject(
      [{ count: 100 }],
    );
  });
});
