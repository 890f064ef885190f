import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PLAN_USERS_CHANGED, USER_CHANGED } from '../../../src/modules/kernel/topics.ts';
import { expireSubscriptions, isExpiryDue } from '../../../src/modules/subscription/expire-subscriptions.ts';
import { reviveSubscriptions } from '../../../src/modules/subscription/revive-subscriptions.ts';
import { createDatabase } from '../../../src/platform/database/database.ts';
import type { RunningServices } from '../../../src/platform/services.ts';
import { databaseUrlOf } from '../../support/database.ts';
import { buildPlan, buildSubscription, buildUser, inDays } from '../../support/factories.ts';
import { listening } from '../../support/reporting.ts';
import { createTestServices } from '../../support/services.ts';

let services: RunningServices;
beforeEach(async () => {
  services = await createTestServices();
});
afterEach(() => services.close());

const IN_A_MONTH = { startsAt: inDays(-1), expiresAt: inDays(30) };
const statusOf = async (id: string) =>
  (await services.db.userSubscription.findUniqueOrThrow({ where: { id } })).status;

/** What a sweep leaves that ran while the clock was 60 days ahead. */
async function expireAhead(...ids: string[]): Promise<void> {
  await services.db.userSubscription.updateMany({ where: { id: { in: ids } }, data: { status: 'EXPIRED' } });
  await services.db.$executeRaw`
    INSERT INTO job_runs (name, last_run_at) VALUES ('expire-subscriptions', tessera_now() + interval '60 days')
    ON CONFLICT (name) DO UPDATE SET last_run_at = excluded.last_run_at`;
}

describe('a clock of PostgreSQL that is 60 days ahead', () => {
  it('expires nothing', async () => {
    const { id } = await buildSubscription(services.db, IN_A_MONTH);
    const url = `${await databaseUrlOf(services)}?options=-c%20tessera.clock_offset%3D1440h`;
    const ahead = createDatabase({ url, log: services.log });
    try {
      await expect(expireSubscriptions({ ...services, db: ahead })).rejects.toThrow(
        /ahead of that of this host/,
      );
    } finally {
      await ahead.$disconnect();
    }
    expect(await statusOf(id)).toBe('ACTIVE');
  });
});

describe('reviveSubscriptions', () => {
  it('does nothing while the clock is right', async () => {
    const { id } = await buildSubscription(services.db, { startsAt: inDays(-40), expiresAt: inDays(-1) });
    await expireSubscriptions(services);

    expect(await isExpiryDue(services)).toBe(false);
    expect(await reviveSubscriptions(services)).toBe(0);
    expect(await statusOf(id)).toBe('EXPIRED');
  });

  it('undoes what expired, once, and wakes agents and users', async () => {
    const active = await buildSubscription(services.db, IN_A_MONTH);
    const exhausted = await buildSubscription(services.db, { ...IN_A_MONTH, trafficLimit: 5n, upload: 5n });
    const over = await buildSubscription(services.db, { startsAt: inDays(-40), expiresAt: inDays(-1) });
    const never = await buildSubscription(services.db, { startsAt: inDays(-1), expiresAt: inDays(90) });
    await expireAhead(active.id, exhausted.id, over.id);
    const woken = listening(services);

    expect(await isExpiryDue(services)).toBe(true);
    expect(await reviveSubscriptions(services)).toBe(2);

    expect(await statusOf(active.id)).toBe('ACTIVE');
    expect(await statusOf(exhausted.id)).toBe('EXHAUSTED');
    expect(await statusOf(over.id)).toBe('EXPIRED');
    expect(await statusOf(never.id)).toBe('ACTIVE');
    expect(woken).toContain(`${USER_CHANGED} ${active.userId}`);
    expect(woken).toContain(`${PLAN_USERS_CHANGED} ${exhausted.planId}`);
    expect(await isExpiryDue(services)).toBe(false);
    expect(await reviveSubscriptions(services)).toBe(0);
  });

  it('leaves a subscription whose user has another open one of the plan', async () => {
    const { id: planId } = await buildPlan(services.db);
    const { id: userId } = await buildUser(services.db);
    const lost = await buildSubscription(services.db, { ...IN_A_MONTH, planId, userId });
    await expireAhead(lost.id);
    const redeemed = await buildSubscription(services.db, {
      startsAt: inDays(0),
      expiresAt: inDays(40),
      planId,
      userId,
    });

    expect(await reviveSubscriptions(services)).toBe(0);

    expect([await statusOf(lost.id), await statusOf(redeemed.id)]).toEqual(['EXPIRED', 'ACTIVE']);
  });

  it('revives the last of several of one plan', async () => {
    const { id: planId } = await buildPlan(services.db);
    const { id: userId } = await buildUser(services.db);
    const first = await buildSubscription(services.db, { ...IN_A_MONTH, planId, userId });
    await expireAhead(first.id);
    const second = await buildSubscription(services.db, {
      ...{ startsAt: inDays(-1), expiresAt: inDays(31), planId, userId },
    });
    await expireAhead(second.id);

    expect(await reviveSubscriptions(services)).toBe(1);

    expect([await statusOf(first.id), await statusOf(second.id)]).toEqual(['EXPIRED', 'ACTIVE']);
  });
});
