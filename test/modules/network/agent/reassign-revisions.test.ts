import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { reassignRevisions } from '../../../../src/modules/network/agent/reassign-revisions.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { buildSubscription } from '../../../support/factories.ts';
import { AgentMemory, buildFleet } from '../../../support/fleet.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api?.close());

describe('reassignRevisions', () => {
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
