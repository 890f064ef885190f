import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { lockUsers } from '../../../../src/modules/kernel/locks.ts';
import { PLAN_USERS_CHANGED, USER_CHANGED } from '../../../../src/modules/kernel/topics.ts';
import { mergeAccounts } from '../../../../src/modules/lifecycle/account/merge-accounts.ts';
import { resetTraffic } from '../../../../src/modules/network/traffic/reset-traffic.ts';
import { nextReset } from '../../../../src/modules/subscription/reset-cycle.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import { buildPlan, buildSubscription, inDays } from '../../../support/factories.ts';
import { eventually } from '../../../support/redeeming.ts';
import { listening, site, waiting } from '../../../support/reporting.ts';
import { createTestServices } from '../../../support/services.ts';

let services: RunningServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());
beforeEach(async () => {
  await services.db.userSubscription.deleteMany();
});

const present = (id: string) => services.db.userSubscription.findUniqueOrThrow({ where: { id } });
/** Started a hundred days ago; its reset is overdue by a day. */
const due = {
  ...{ startsAt: inDays(-100), resetCycle: 'MONTHLY_START_DAY' as const, nextResetAt: inDays(-1) },
  ...{ trafficLimit: 100n, upload: 60n, download: 50n },
};

describe('resetTraffic', () => {
  it('starts a new period with counters at zero, reactivates EXHAUSTED ones, and schedules the next reset', async () => {
    const before = await buildSubscription(services.db, { ...due, status: 'EXHAUSTED' });
    const woken = listening(services);

    expect(await resetTraffic(services)).toBe(1);

    const after = await present(before.id);
    const { revision, revisedAt, nextResetAt } = after;
    expect(after).toEqual({
      ...before,
      ...{ status: 'ACTIVE', upload: 0n, download: 0n, version: 2, revision, revisedAt, nextResetAt },
    });
    expect(revision).toBeGreaterThan(before.revision);
    expect(nextResetAt).toEqual(nextReset('MONTHLY_START_DAY', before.startsAt, new Date()));
    expect(woken).toEqual([`${PLAN_USERS_CHANGED} ${before.planId}`, `${USER_CHANGED} ${before.userId}`]);
    expect(await resetTraffic(services)).toBe(0);
  });

  it('does not wake servers for a subscription that was ACTIVE', async () => {
    const before = await buildSubscription(services.db, due);
    const woken = listening(services);

    await resetTraffic(services);

    expect(await present(before.id)).toMatchObject({
      status: 'ACTIVE',
      upload: 0n,
      revision: before.revision,
    });
    expect(woken).toEqual([`${USER_CHANGED} ${before.userId}`]);
  });

  it('resets a subscription once that missed several resets', async () => {
    const { id } = await buildSubscription(services.db, { ...due, nextResetAt: inDays(-70) });

    expect(await resetTraffic(services)).toBe(1);
    expect(await resetTraffic(services)).toBe(0);

    expect((await present(id)).nextResetAt?.getTime()).toBeGreaterThan(Date.now());
  });

  it.each([
    ['with a future reset', { ...due, nextResetAt: inDays(1) }],
    ['that never resets', { trafficLimit: 100n, upload: 60n }],
    ['that has expired', { ...due, expiresAt: inDays(-2), status: 'EXPIRED' as const }],
    ['that is stopped', { ...due, status: 'STOPPED' as const }],
  ])('skips a subscription %s', async (_, overrides) => {
    const before = await buildSubscription(services.db, overrides);

    expect(await resetTraffic(services)).toBe(0);

    expect(await present(before.id)).toEqual(before);
  });

  it('resets any number of subscriptions in several transactions', async () => {
    const { id: planId } = await buildPlan(services.db);
    await services.db.$executeRaw`
      WITH u AS (INSERT INTO users (id) SELECT gen_random_uuid() FROM generate_series(1, 2500) RETURNING id)
      INSERT INTO user_subscriptions (id, user_id, plan_id, starts_at, upload, reset_cycle, next_reset_at, token, credential)
      SELECT gen_random_uuid(), id, ${planId}::uuid, now() - interval '40 days', 7, 'MONTHLY_FIRST', now() - interval '1 hour',
        id::text, id FROM u`;

    const reset = await Promise.all([resetTraffic(services), resetTraffic(services)]);

    expect(reset.reduce((sum, count) => sum + count, await resetTraffic(services))).toBe(2_500);
    expect(await services.db.userSubscription.count({ where: { planId, upload: 0n, version: 2 } })).toBe(
      2_500,
    );
    expect(await services.db.jobRun.findUnique({ where: { name: 'reset-traffic' } })).toMatchObject({
      progress: { finished: true },
    });
  });

  it('counts a concurrent report in the new period', async () => {
    const { report, entry, subscriptionId } = await site(services, { subscription: due });
    let reported: Promise<unknown> | undefined;

    await services.db.$transaction(async (tx) => {
      // The lock that a reset in flight holds.
      await tx.userSubscription.update({
        where: { id: subscriptionId },
        data: { upload: 0n, download: 0n, nextResetAt: inDays(20) },
      });
      reported = report([entry(7n, 8n)]);
      await eventually(async () => (await waiting(services)) > 0);
    });
    await reported;

    expect(await present(subscriptionId)).toMatchObject({ upload: 7n, download: 8n });
  });
});

describe('bonus traffic from a merge', () => {
  async function merged(from: object, into: object) {
    const { id: planId } = await buildPlan(services.db, {
      trafficLimit: 100n,
      resetCycle: 'MONTHLY_START_DAY',
    });
    const one = await buildSubscription(services.db, { ...due, planId, ...from });
    const other = await buildSubscription(services.db, { ...due, planId, ...into });
    await services.db.$transaction(async (tx) => {
      await lockUsers(tx, [one.userId, other.userId]);
      await mergeAccounts(tx, { fromId: one.userId, intoId: other.userId });
    });
    return other.id;
  }

  it('lasts until the next reset, after which the limit is the plan’s again', async () => {
    const id = await merged(
      { upload: 30n, download: 0n },
      { upload: 60n, download: 50n, status: 'EXHAUSTED' },
    );

    // One subscription had 70 bytes left; the other had none, with 110 used.
    expect(await present(id)).toMatchObject({ trafficLimit: 180n, bonusTraffic: 80n, status: 'ACTIVE' });
    await resetTraffic(services);

    expect(await present(id)).toMatchObject({ trafficLimit: 100n, bonusTraffic: 0n, upload: 0n });
  });

  it('of an extended trial lasts until the next reset, too', async () => {
    const { id } = await buildSubscription(services.db, {
      ...due,
      trialEndsAt: inDays(3),
      trialTraffic: 40n,
    });

    await resetTraffic(services);

    expect(await present(id)).toMatchObject({ trafficLimit: 100n, trialTraffic: 0n });
    expect((await present(id)).trialEndsAt).not.toBeNull();
  });

  it('adds up over several merges', async () => {
    const id = await merged(
      { upload: 0n, download: 0n },
      { trafficLimit: 150n, bonusTraffic: 50n, upload: 10n },
    );

    expect(await present(id)).toMatchObject({ trafficLimit: 250n, bonusTraffic: 150n });
    await resetTraffic(services);

    expect(await present(id)).toMatchObject({ trafficLimit: 100n, bonusTraffic: 0n });
  });

  it('is not added if the plan never resets or one subscription was unlimited', async () => {
    const never = { resetCycle: 'NEVER' as const, nextResetAt: null };
    expect(await present(await merged(never, never))).toMatchObject({ bonusTraffic: 0n });

    const unlimited = await merged({ trafficLimit: null }, {});
    expect(await present(unlimited)).toMatchObject({ trafficLimit: null, bonusTraffic: 0n });
    await resetTraffic(services);
    expect(await present(unlimited)).toMatchObject({ trafficLimit: null });
  });
});
