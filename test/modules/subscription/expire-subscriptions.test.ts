import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { PLAN_USERS_CHANGED, USER_CHANGED } from '../../../src/modules/kernel/topics.ts';
import { expireSubscriptions } from '../../../src/modules/subscription/expire-subscriptions.ts';
import type { RunningServices } from '../../../src/platform/services.ts';
import { buildPlan, buildSubscription, inDays } from '../../support/factories.ts';
import { listening } from '../../support/reporting.ts';
import { createTestServices } from '../../support/services.ts';

let services: RunningServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());
beforeEach(async () => {
  await services.db.userSubscription.deleteMany();
});

const reload = (id: string) => services.db.userSubscription.findUniqueOrThrow({ where: { id } });
const OVERDUE = { startsAt: inDays(-40), expiresAt: inDays(-1) };

/** Creates users whose subscriptions of one plan expired, each 1 ms after the previous one. */
async function buildOverdue(count: number): Promise<string> {
  const { id: planId } = await buildPlan(services.db);
  await services.db.$executeRaw`
    WITH u AS (INSERT INTO users (id) SELECT gen_random_uuid() FROM generate_series(1, ${count}::int) RETURNING id)
    INSERT INTO user_subscriptions (id, user_id, plan_id, starts_at, expires_at, token, credential)
    SELECT gen_random_uuid(), id, ${planId}::uuid, now() - interval '2 days',
      now() - interval '1 hour' + row_number() OVER () * interval '1 millisecond', id::text, id FROM u`;
  return planId;
}
const countExpired = (planId: string) =>
  services.db.userSubscription.count({ where: { planId, status: 'EXPIRED', version: 2 } });

describe('expireSubscriptions', () => {
  it('sets overdue subscriptions to EXPIRED, raises their revision and wakes agents and users', async () => {
    const active = await buildSubscription(services.db, OVERDUE);
    const exhausted = await buildSubscription(services.db, {
      ...OVERDUE,
      status: 'EXHAUSTED',
      trafficLimit: 0n,
    });
    const woken = listening(services);

    expect(await expireSubscriptions(services)).toBe(2);

    for (const before of [active, exhausted]) {
      const after = await reload(before.id);
      const { revision, revisedAt } = after;
      expect(after).toEqual({ ...before, status: 'EXPIRED', version: 2, revision, revisedAt });
      expect(revision).toBeGreaterThan(before.revision);
      expect(woken).toContain(`${USER_CHANGED} ${before.userId}`);
      expect(woken).toContain(`${PLAN_USERS_CHANGED} ${before.planId}`);
    }
    expect(woken).toHaveLength(4);
    expect(await expireSubscriptions(services)).toBe(0);
  });

  it.each([
    ['a subscription that has not expired', { expiresAt: inDays(1) }],
    ['a subscription that never expires', { expiresAt: null }],
    ['a stopped subscription', { ...OVERDUE, status: 'STOPPED' as const }],
  ])('does not change %s', async (_, overrides) => {
    const before = await buildSubscription(services.db, overrides);

    expect(await expireSubscriptions(services)).toBe(0);

    expect(await reload(before.id)).toEqual(before);
  });

  it('processes any number in groups of 1,000, announces each group and records its progress', async () => {
    const planId = await buildOverdue(2_500);
    const woken = listening(services);

    expect(await expireSubscriptions(services)).toBe(2_500);

    expect(await countExpired(planId)).toBe(2_500);
    // Each group announces the plan once and each user once.
    expect(woken.filter((wake) => wake.startsWith(PLAN_USERS_CHANGED))).toHaveLength(3);
    expect(new Set(woken.filter((wake) => wake.startsWith(USER_CHANGED))).size).toBe(2_500);
    expect(await services.db.jobRun.findUnique({ where: { name: 'expire-subscriptions' } })).toMatchObject({
      lastRunAt: expect.any(Date),
      progress: { done: 2_500, finished: true },
    });
  });

  it('expires each subscription once when several workers run concurrently', async () => {
    const planId = await buildOverdue(2_500);

    const expired = await Promise.all([1, 2, 3].map(() => expireSubscriptions(services)));

    const rest = await expireSubscriptions(services);
    expect(expired.reduce((sum, count) => sum + count, rest)).toBe(2_500);
    expect(await countExpired(planId)).toBe(2_500);
  });

  it('skips locked rows without waiting and expires them in the next run', async () => {
    const [held, free] = [
      await buildSubscription(services.db, OVERDUE),
      await buildSubscription(services.db, OVERDUE),
    ];

    await services.db.$transaction(async (tx) => {
      await tx.userSubscription.update({ where: { id: held.id }, data: { upload: 1n } });
      expect(await expireSubscriptions(services)).toBe(1);
    });

    expect(await reload(free.id)).toMatchObject({ status: 'EXPIRED' });
    expect(await reload(held.id)).toMatchObject({ status: 'ACTIVE', upload: 1n });
    expect(await expireSubscriptions(services)).toBe(1);
  });

  it('finds overdue subscriptions by an index', async () => {
    const { id: planId } = await buildPlan(services.db);
    await services.db.$executeRaw`
      INSERT INTO user_subscriptions (id, user_id, plan_id, expires_at, token, credential, status)
      SELECT gen_random_uuid(), (SELECT id FROM users LIMIT 1), ${planId}::uuid, now() + interval '1 day', gen_random_uuid()::text,
        gen_random_uuid(), 'EXPIRED'
      FROM generate_series(1, 5000)`;
    await services.db.$executeRaw`ANALYZE user_subscriptions`;

    const plan = await services.db.$queryRaw<{ 'QUERY PLAN': string }[]>`
      EXPLAIN SELECT id FROM user_subscriptions
      WHERE status IN ('ACTIVE', 'EXHAUSTED') AND expires_at IS NOT NULL AND expires_at <= tessera_now()
      ORDER BY expires_at LIMIT 1000 FOR NO KEY UPDATE SKIP LOCKED`;

    expect(plan.map((line) => line['QUERY PLAN']).join()).toContain('user_subscriptions_expiring_idx');
  });
});

describe('an interrupted run of expireSubscriptions', () => {
  it('keeps the committed groups when a group fails, and the next run resumes', async () => {
    const planId = await buildOverdue(2_500);
    // It is in the second group.
    const poison = await services.db.userSubscription.findFirstOrThrow({
      ...{ where: { planId }, orderBy: { expiresAt: 'asc' }, skip: 1_500 },
    });
    await services.db.$executeRawUnsafe(`
      CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'a failure of the test'; END $$`);
    await services.db.$executeRawUnsafe(`
      CREATE TRIGGER fail BEFORE UPDATE ON user_subscriptions FOR EACH ROW
      WHEN (OLD.id = '${poison.id}') EXECUTE FUNCTION fail()`);

    await expect(expireSubscriptions(services)).rejects.toThrow('a failure of the test');

    expect(await countExpired(planId)).toBe(1_000);
    expect(await services.db.jobRun.findUnique({ where: { name: 'expire-subscriptions' } })).toMatchObject({
      progress: { done: 1_000, finished: false },
    });
    await services.db.$executeRawUnsafe('DROP TRIGGER fail ON user_subscriptions');
    expect(await expireSubscriptions(services)).toBe(1_500);
    expect(await countExpired(planId)).toBe(2_500);
  });

  it('stops after the group in flight when the signal is aborted', async () => {
    const planId = await buildOverdue(2_500);
    const stopping = new AbortController();
    stopping.abort();

    expect(await expireSubscriptions(services, stopping.signal)).toBe(1_000);

    expect(await countExpired(planId)).toBe(1_000);
    expect(await expireSubscriptions(services)).toBe(1_500);
  });
});
