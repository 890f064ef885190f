import type { UserSubscription } from '../../generated/prisma/client.ts';
import { isLive } from './subscription-status.ts';

/** A live subscription of an account that is merged, and what becomes of it. */
export interface MergeDecision {
  subscription: UserSubscription;
  /** The live one of the same plan that it is added to; null when it moves as it is. */
  into: UserSubscription | null;
  /** How the one that remains stands afterwards. */
  expiresAt: Date | null;
  trafficLimit: bigint | null;
}

/**
 * What becomes of the live subscriptions of an account that is merged into another one. Each moves over; where the other
 * account has the same plan live, its remaining time and traffic are added to that one. What is unlimited stays so. Trial
 * time never moves.
 *
 * @param sharedPlanIds plans that both accounts have from one and the same code: the better of the two counts then,
 *   not the sum, or a code for several users would be worth more to one person with several accounts
 */
export function decideMerge({
  from,
  into,
  sharedPlanIds,
  now,
}: {
  from: readonly UserSubscription[];
  into: readonly UserSubscription[];
  sharedPlanIds: ReadonlySet<string>;
  now: Date;
}): MergeDecision[] {
  const liveByPlan = new Map(into.filter((one) => isLive(one, now)).map((one) => [one.planId, one]));
  return from
    .filter((one) => isLive(one, now) && !one.isTrial)
    .map((subscription) => {
      const other = liveByPlan.get(subscription.planId) ?? null;
      if (!other)
        return {
          subscription,
          into: null,
          expiresAt: subscription.expiresAt,
          trafficLimit: subscription.trafficLimit,
        };
      const add = sharedPlanIds.has(subscription.planId) ? larger : sum;
      return { subscription, into: other, ...join(subscription, other, { now, add }) };
    });
}

/** Bytes that are left; null is unlimited. */
export function trafficLeft({ trafficLimit, upload, download }: UserSubscription): bigint | null {
  if (trafficLimit === null) return null;
  const left = trafficLimit - upload - download;
  return left > 0n ? left : 0n;
}

/**
 * The part of the limit that a merge gives one that resets, which lasts until the next reset only: each later period
 * has again what its plan gives.
 */
export function bonusTraffic(into: UserSubscription, trafficLimit: bigint | null): bigint {
  if (into.resetCycle === 'NEVER' || trafficLimit === null || into.trafficLimit === null) return 0n;
  return trafficLimit - (into.trafficLimit - into.bonusTraffic);
}

const sum = (a: bigint, b: bigint) => a + b;
const larger = (a: bigint, b: bigint) => (a > b ? a : b);

/** Time and traffic that remain, of one and of the other, as one; the traffic on top of what the other has used. */
function join(
  one: UserSubscription,
  other: UserSubscription,
  { now, add }: { now: Date; add: (a: bigint, b: bigint) => bigint },
): Pick<MergeDecision, 'expiresAt' | 'trafficLimit'> {
  const timeLeft = (end: Date) => BigInt(end.getTime() - now.getTime());
  const [oneTraffic, otherTraffic] = [trafficLeft(one), trafficLeft(other)];
  return {
    expiresAt:
      one.expiresAt === null || other.expiresAt === null
        ? null
        : new Date(now.getTime() + Number(add(timeLeft(one.expiresAt), timeLeft(other.expiresAt)))),
    trafficLimit:
      oneTraffic === null || otherTraffic === null
        ? null
        : other.upload + other.download + add(oneTraffic, otherTraffic),
  };
}
