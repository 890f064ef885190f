import { databaseNow } from '../../platform/database/clock.ts';
import type { Services } from '../../platform/services.ts';
import { type SubscriptionOfPlan, withPresentStatus } from './subscription-columns.ts';

/** The subscription with this id and its plan; null for none. For many at once it is one query. */
export async function getSubscription(
  { db }: Pick<Services, 'db'>,
  id: string | null,
): Promise<SubscriptionOfPlan | null> {
  if (id === null) return null;
  const subscription = await db.userSubscription.findUnique({ where: { id }, include: { plan: true } });
  return subscription && withPresentStatus(subscription, await databaseNow(db));
}
