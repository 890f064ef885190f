import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { buildOrder } from '../../../support/factories.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

const metric = async (name: string) => {
  const text = await (await fetch(`${api.url}/metrics`)).text();
  return Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]);
};

describe('/metrics', () => {
  it('exposes the number of PAID orders and the age of the oldest', async () => {
    expect(await metric('tessera_paid_orders')).toBe(0);
    expect(await metric('tessera_oldest_paid_order_seconds')).toBe(0);
    await buildOrder(api.services.db, { createdAt: new Date(Date.now() - 90_000) });
    await buildOrder(api.services.db);

    expect(await metric('tessera_paid_orders')).toBe(2);
    expect(await metric('tessera_oldest_paid_order_seconds')).toBeGreaterThanOrEqual(89);
    expect(await metric('tessera_activation_jobs')).toBe(0);
  });
});
