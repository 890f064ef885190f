import type { Plan } from '../../../generated/prisma/client.ts';
import { DAY_MS } from '../../../platform/database/clock.ts';
import type { Database } from '../../../platform/database/database.ts';

export interface PlanRedemptionCount {
  plan: Plan;
  count: number;
}

/** Redemptions per plan from the start of the UTC day until `until`. */
interface DayCounts {
  until: Date;
  counts: ReadonlyMap<string, number>;
}

/** After this time no open transaction can still insert a redemption: transactions end sooner. */
const SETTLED_AFTER_MS = 60_000;

/**
 * Creates a function that counts the redemptions of the current UTC day per plan, most redeemed
 * first. Counts that can no longer change are cached, so that each call reads about one minute of
 * the table instead of the whole day. Calls must not overlap.
 */
export function createRedemptionCounter(db: Database): (now: Date) => Promise<PlanRedemptionCount[]> {
  let settled: DayCounts = { until: new Date(0), counts: new Map() };
  return async (now) => {
    const cached = isOfToday(settled, now) ? settled : { until: startOfDay(now), counts: new Map() };
    const until = new Date(Math.max(cached.until.getTime(), now.getTime() - SETTLED_AFTER_MS));
    const rows = await db.$queryRaw<{ planId: string; total: number; settled: number }[]>`
      SELECT plan_id AS "planId", count(*)::int AS total,
        (count(*) FILTER (WHERE redeemed_at < ${until}))::int AS settled
      FROM redemptions WHERE redeemed_at >= ${cached.until} GROUP BY plan_id`;
    const added = (column: 'total' | 'settled') =>
      sum(
        cached.counts,
        rows.map((row) => [row.planId, row[column]]),
      );
    settled = { until, counts: added('settled') };
    return withPlans(db, added('total'));
  };
}

const startOfDay = (now: Date) => new Date(Math.floor(now.getTime() / DAY_MS) * DAY_MS);

function isOfToday({ until }: DayCounts, now: Date): boolean {
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
