import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../support/api.ts';
import { statementsOf } from '../support/statements.ts';

const METRICS_TOKEN = 'a token for those who measure';

const PRODUCTION = {
  NODE_ENV: 'production',
  DATABASE_URL: 'postgresql://unused.example/unused',
  REDIS_URL: 'redis://unused.example',
  SECRET_KEY: 'a secret of this test, and of nothing else: 0123456789',
  TRUST_PROXY: '0',
  ALLOWED_ORIGINS: 'https://app.example',
};

let api: TestApi;
let production: TestApi;
beforeAll(async () => {
  [api, production] = await Promise.all([
    startTestApi(),
    startTestApi({ rateLimits: true, env: { ...PRODUCTION, METRICS_TOKEN } }),
  ]);
});
afterAll(() => Promise.all([api?.close(), production?.close()]));

describe('/readyz', () => {
  it('responds while all connections of the pool are busy', async () => {
    const busy = Array.from({ length: 12 }, () => api.services.db.$queryRaw`SELECT pg_sleep(2)::text`);
    const works = Promise.allSettled(busy);
    const startedAt = performance.now();

    const response = await fetch(`${api.url}/readyz`);

    expect([response.status, await response.json()]).toMatchObject([200, { postgres: 'ok' }]);
    expect(performance.now() - startedAt).toBeLessThan(1_500);
    await works;
  });

  it('asks PostgreSQL at most once for many probes', async () => {
    const { queries } = await statementsOf(() =>
      Promise.all(Array.from({ length: 50 }, () => fetch(`${api.url}/readyz`))),
    );

    expect(queries.length).toBeLessThanOrEqual(1);
  });
});

describe('/.well-known/jwks.json', () => {
  it('shares statements between concurrent requests', async () => {
    const { queries } = await statementsOf(() =>
      Promise.all(Array.from({ length: 50 }, () => fetch(`${api.url}/.well-known/jwks.json`))),
    );

    expect(queries.length).toBeLessThan(10);
  });
});

describe('/metrics', () => {
  const statusOf = async ({ url }: TestApi, authorization?: string) =>
    (await fetch(`${url}/metrics`, { headers: { ...(authorization && { authorization }) } })).status;

  it('is readable from the local machine outside production only', async () => {
    expect([await statusOf(api), await statusOf(production)]).toEqual([200, 403]);
  });

  it.each([
    ['the token', `Bearer ${METRICS_TOKEN}`, 200],
    ['a part of it', `Bearer ${METRICS_TOKEN.slice(0, -1)}`, 403],
    ['a longer one', `Bearer ${METRICS_TOKEN}x`, 403],
    ['the token without its scheme', METRICS_TOKEN, 403],
    ['nothing', 'Bearer ', 403],
  ])('compares the token in production: %s', async (_what, authorization, status) => {
    expect(await statusOf(production, authorization)).toBe(status);
  });
});
