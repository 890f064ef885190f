import { databaseNow } from '../../platform/database/clock.ts';
import type { Services } from '../../platform/services.ts';
import type { SubscriptionWithPlan } from './subscription-columns.ts';
import { withCurrentStatus } from './subscription-status.ts';

/**
 * Reads a subscription with its plan. Prisma combines the calls of one tick into one query.
 *
 * @returns null if `id` is null or there is no such subscription
 */
export async function getSubscription(
  { db }: Pick<Services, 'db'>,
  id: string | null,
): Promise<SubscriptionWithPlan | null> {
  if (id === null) return null;
  const subscription = await db.userSubscription.findUnique({ where: { id }, include: { plan: true } });
  return subscription && withCurrentStatus(subscription, await databaseNow(db));
}
