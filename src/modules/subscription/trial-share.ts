import type { UserSubscription } from '../../generated/prisma/client.ts';

/**
 * The part of a subscription that came from a trial is recorded apart from the paid part, so that a
 * merge can distinguish them. It is used up first: the time until `trialEndsAt`, and the first
 * `trialTraffic` bytes.
 */
export type TrialShare = Pick<UserSubscription, 'trialEndsAt' | 'trialTraffic'>;

/** When the trial part of a subscription ends or ended; null if it has none. */
export function trialEndOf({
  isTrial,
  trialEndsAt,
  expiresAt,
}: Pick<UserSubscription, 'isTrial' | 'trialEndsAt' | 'expiresAt'>): Date | null {
  if (isTrial || trialEndsAt === null || expiresAt === null) return isTrial ? expiresAt : trialEndsAt;
  return trialEndsAt < expiresAt ? trialEndsAt : expiresAt;
}

/** Bytes of the limit that came from a trial, used or not; 0 if the traffic is unlimited. */
export function trialTrafficOf({
  isTrial,
  trialTraffic,
  trafficLimit,
}: Pick<UserSubscription, 'isTrial' | 'trialTraffic' | 'trafficLimit'>): bigint {
  if (trafficLimit === null) return 0n;
  return isTrial || trialTraffic > trafficLimit ? trafficLimit : trialTraffic;
}
