import type { SubscriptionStatus, UserSubscription } from '../../generated/prisma/client.ts';

/** What a subscription that nobody has stopped is, by its time and its traffic. */
export function statusAfter(
  {
    expiresAt,
    trafficLimit,
    upload,
    download,
  }: Pick<UserSubscription, 'expiresAt' | 'trafficLimit' | 'upload' | 'download'>,
  now: Date,
): SubscriptionStatus {
  if (expiresAt !== null && expiresAt <= now) return 'EXPIRED';
  return trafficLimit !== null && upload + download >= trafficLimit ? 'EXHAUSTED' : 'ACTIVE';
}

/** Neither over nor stopped: of these a user has one for each plan. */
export function isOpen({ status }: { status: SubscriptionStatus }): boolean {
  return status === 'ACTIVE' || status === 'EXHAUSTED';
}
