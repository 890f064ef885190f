import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reassignRevisions } from '../../../../src/modules/network/agent/reassign-revisions.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { buildOrder, buildServer, buildSubscription } from '../../../support/factories.ts';
import { AgentMemory, buildFleet } from '../../../support/fleet.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api?.close());

describe('reassignRevisions', () => {
  it('resets the foreign revisions of more orders than one statement changes, and no others', async () => {
    const { db } = api.services;
    const { id } = await buildOrder(db, { status: 'FAILED' });
    await db.$executeRaw`
      INSERT INTO orders (id, order_no, type, status, redeemed_by_id, user_id, code_id, batch_id, plan_id,
        unit_time, quantity, reset_cycle, code_hint, is_new, failure_code, finished_at)
      SELECT gen_random_uuid(), 'R' || n, type, status, redeemed_by_id, user_id, code_id, batch_id, plan_id,
        unit_time, quantity, reset_cycle, code_hint, false, failure_code, finished_at
      FROM orders, generate_series(1, 20500) AS n WHERE id = ${id}::uuid`;
    await db.$executeRaw`UPDATE orders SET revision = CASE WHEN order_no = 'R7' THEN 5 ELSE 4000000000 END`;
    await buildServer(db);
    await db.$executeRaw`UPDATE servers SET full_list_revision = 4000000000`;

    await reassignRevisions(api.services);

    const rows = await db.$queryRaw`SELECT revision, count(*)::int FROM orders GROUP BY 1 ORDER BY 1`;
    expect(rows).toEqual([
      { revision: 0n, count: 20_500 },
      { revision: 5n, count: 1 },
    ]);
  });

  it('makes lists of a database that was restored from another PostgreSQL readable', async () => {
    const { db } = api.services;
    const { agent, plan } = await buildFleet(api);
    const { id } = await buildSubscription(db, { planId: plan.id });
    await db.$executeRaw`UPDATE user_subscriptions SET revision = 4000000000`;
    await db.$executeRaw`UPDATE servers SET confirmed_revision = 4000000000 << 21`;
    expect((await new AgentMemory().sync(agent)).ids).toEqual([]);

    expect(await reassignRevisions(api.services)).toBe(1);

    expect((await new AgentMemory().sync(agent)).ids).toEqual([id]);
    expect(await reassignRevisions(api.services)).toBe(0);
  });
});
