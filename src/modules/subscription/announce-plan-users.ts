import type { Services } from '../../platform/services.ts';
import { announce } from '../kernel/announce.ts';

/**
 * Wakes the agents of every server that serves a plan of these users. Call it after the commit that
 * changed their subscriptions. If the plans cannot be read, agents pick up the change at their next
 * poll, within 2 s.
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
