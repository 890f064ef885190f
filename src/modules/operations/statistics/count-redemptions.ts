import type { Plan } from '../../../generated/prisma/client.ts';
import { DAY_MS } from '../../../platform/database/clock.ts';
import type { Database } from '../../../platform/database/database.ts';

/** How often a plan was redeemed. */
export interface PlanRedemptionCount {
  plan: Plan;
  count: number;
}

/** Redemptions of the day in UTC until some moment, by plan. */
interface Tally {
  until: Date;
  counts: ReadonlyMap<string, number>;
}

/** A transaction that has begun longer ago has ended: what it might have added is there. */
const SETTLED_AFTER_MS = 60_000;

/**
 * Counts the redemptions of the present day in UTC, by plan, the most first; for calling again and again, one call at
 * a time. What can't change any more is counted once and remembered: each call reads a minute of the table, not the day.
 */
export function createRedemptionCounter(db: Database): (now: Date) => Promise<PlanRedemptionCount[]> {
  let settled: Tally = { until: new Date(0), counts: new Map() };
  return async (now) => {
    const known = isOfToday(settled, now) ? settled : { until: startOfDay(now), counts: new Map() };
    const until = new Date(Math.max(known.until.getTime(), now.getTime() - SETTLED_AFTER_MS));
    const rows = await db.$queryRaw<{ planId: string; total: number; settled: number }[]>`
      SELECT plan_id AS "planId", count(*)::int AS total,
        (count(*) FILTER (WHERE redeemed_at < ${until}))::int AS settled
      FROM redemptions WHERE redeemed_at >= ${known.until} GROUP BY plan_id`;
    const added = (column: 'total' | 'settled') =>
      sum(
        known.counts,
        rows.map((row) => [row.planId, row[column]]),
      );
    settled = { until, counts: added('settled') };
    return withPlans(db, added('total'));
  };
}

const startOfDay = (now: Date) => new Date(Math.floor(now.getTime() / DAY_MS) * DAY_MS);

function isOfToday({ until }: Tally, now: Date): boolean {
  return until >= startOfDay(now) && until <= now;
}

function sum(counts: ReadonlyMap<string, number>, added: readonly [string, number][]): Map<string, number> {
  const sums = new Map(counts);
  for (const [planId, count] of added) sums.set(planId, (sums.get(planId) ?? 0) + count);
  return sums;
}

async function withPlans(db: Database, counts: ReadonlyMap<string, number>): Promise<PlanRedemptionCount[]> {
  const plans = await db.plan.findMany({ where: { id: { in: [...counts.keys()] } } });
  return plans
    .map((plan) => ({ plan, count: counts.get(plan.id) ?? 0 }))
    .filter(({ count }) => count > 0)
    .sort((one, other) => other.count - one.count || (one.plan.id < other.plan.id ? -1 : 1));
}
