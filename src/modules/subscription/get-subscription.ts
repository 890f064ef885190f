import { byId, createReadCoalescer, type ReadCoalescer } from '../../platform/database/read-coalescer.ts';
import type { Services } from '../../platform/services.ts';
import {
  PLAN_COLUMNS,
  type PlanColumns,
  SUBSCRIPTION_COLUMNS,
  type SubscriptionColumns,
  type SubscriptionWithPlan,
  toSubscription,
} from './subscription-columns.ts';

export interface SubscriptionReads {
  /** Reads a subscription with its plan. */
  readSubscription: ReadCoalescer<SubscriptionWithPlan>;
}

/** Call once per process: only reads through the same instance share a statement. */
export function createSubscriptionReads({ db }: Pick<Services, 'db'>): SubscriptionReads {
  return {
    readSubscription: createReadCoalescer(async (ids) => {
      const rows = await db.$queryRaw<(PlanColumns & SubscriptionColumns & { now: Date })[]>`
        SELECT tessera_now() AS now, ${SUBSCRIPTION_COLUMNS}, ${PLAN_COLUMNS}
        FROM user_subscriptions s JOIN plans p ON p.id = s.plan_id
        WHERE s.id = ANY(${[...ids]}::uuid[])`;
      return byId(rows.flatMap((row) => toSubscription(row) ?? []));
    }),
  };
}

/**
 * Reads a subscription with its plan.
 *
 * @returns null if `id` is null or there is no such subscription
 */
export async function getSubscription(
  { readSubscription }: SubscriptionReads,
  id: string | null,
): Promise<SubscriptionWithPlan | null> {
  return id === null ? null : ((await readSubscription(id)) ?? null);
}
