import type { Services } from '../../platform/services.ts';
import { announce } from '../kernel/announce.ts';

/**
 * Wakes the agents of every server that has a plan of these users, after the commit that changed what they have of it.
 * When the plans cannot be read it is left to the agents' poll, two seconds later.
 */
export async function announcePlanUsers(
  { db, pubSub }: Pick<Services, 'db' | 'pubSub'>,
  userIds: readonly string[],
): Promise<void> {
  const plans = await db.userSubscription
    .findMany({ where: { userId: { in: [...userIds] } }, distinct: ['planId'], select: { planId: true } })
    .catch(() => []);
  announce({ pubSub }, { planIdsOfUsers: plans.map(({ planId }) => planId) });
}
