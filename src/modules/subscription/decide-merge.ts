import type { UserSubscription } from '../../generated/prisma/client.ts';
import { isLive } from './subscription-status.ts';

/** The outcome of a merge for one live subscription of the merged account. */
export interface MergeDecision {
  subscription: UserSubscription;
  /** The live subscription of the same plan that absorbs it; null if it moves unchanged. */
  into: UserSubscription | null;
  /** Expiry of the remaining subscription after the merge; null if it never expires. */
  expiresAt: Date | null;
  /** Limit of the remaining subscription after the merge, in bytes; null is unlimited. */
  trafficLimit: bigint | null;
}

/**
 * Decides how the live subscriptions of one account are merged into another account. Each moves
 * over; if the other account has a live subscription of the same plan, that one absorbs the
 * remaining time and traffic. Unlimited stays unlimited. Trials never move.
 *
 * @param from subscriptions of the account that is merged
 * @param into subscriptions of the account that remains
 * @param sharedPlanIds plans that both accounts have redeemed with the same code. For these the
 *   larger remainder counts instead of the sum; otherwise a multi-use code would be worth more to a
 *   person with several accounts.
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
      const { planId, expiresAt, trafficLimit } = subscription;
      const absorbing = liveByPlan.get(planId);
      if (!absorbing) return { subscription, into: null, expiresAt, trafficLimit };
      const add = sharedPlanIds.has(planId) ? larger : sum;
      return { subscription, into: absorbing, ...absorb(subscription, absorbing, { now, add }) };
    });
}

type Usage = Pick<UserSubscription, 'trafficLimit' | 'upload' | 'download'>;

/** @returns the remaining bytes, at least 0; null is unlimited */
export function trafficLeft({ trafficLimit, upload, download }: Usage): bigint | null {
  if (trafficLimit === null) return null;
  const left = trafficLimit - upload - download;
  return left > 0n ? left : 0n;
}

/**
 * Computes the part of a merged limit that lasts only until the next reset. Later periods get the
 * limit of the plan again. It is 0 for subscriptions that never reset or are unlimited.
 *
 * @param trafficLimit the limit after the merge
 */
export function bonusTraffic(
  into: Pick<UserSubscription, 'resetCycle' | 'trafficLimit' | 'bonusTraffic'>,
  trafficLimit: bigint | null,
): bigint {
  if (into.resetCycle === 'NEVER' || trafficLimit === null || into.trafficLimit === null) return 0n;
  return trafficLimit - (into.trafficLimit - into.bonusTraffic);
}

const sum = (a: bigint, b: bigint) => a + b;
const larger = (a: bigint, b: bigint) => (a > b ? a : b);

/** Combines what remains of both. The new limit includes the traffic that `absorbing` has used. */
function absorb(
  absorbed: UserSubscription,
  absorbing: UserSubscription,
  { now, add }: { now: Date; add: (a: bigint, b: bigint) => bigint },
): Pick<MergeDecision, 'expiresAt' | 'trafficLimit'> {
  const timeLeft = (end: Date) => BigInt(end.getTime() - now.getTime());
  const [absorbedTraffic, absorbingTraffic] = [trafficLeft(absorbed), trafficLeft(absorbing)];
  return {
    expiresAt:
      absorbed.expiresAt === null || absorbing.expiresAt === null
        ? null
        : new Date(now.getTime() + Number(add(timeLeft(absorbed.expiresAt), timeLeft(absorbing.expiresAt)))),
    trafficLimit:
      absorbedTraffic === null || absorbingTraffic === null
        ? null
        : absorbing.upload + absorbing.download + add(absorbedTraffic, absorbingTraffic),
  };
}
