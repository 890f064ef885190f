import type { UserSubscription } from '../../generated/prisma/client.ts';
import { addBytes } from '../kernel/bytes.ts';
import { timeAt } from '../kernel/unit-time.ts';
import { isLive } from './subscription-status.ts';
import { type TrialShare, trialEndOf, trialTrafficOf } from './trial-share.ts';

/**
 * The outcome of a merge for one live subscription of the merged account, with the trial share of
 * the remaining subscription after the merge.
 */
export interface MergeDecision extends TrialShare {
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
 * remaining time and traffic. Unlimited stays unlimited.
 *
 * Trials do not add up. A subscription that is nothing but a trial never moves. If one was
 * extended, the remainder of its trial is not added to that of another trial: the larger counts.
 *
 * @param from subscriptions of the account that is merged
 * @param into subscriptions of the account that remains
 * @param sharedPlanIds plans that both accounts have redeemed with the same code. For these the
 *   larger paid remainder counts instead of the sum; otherwise a multi-use code would be worth more
 *   to a person with several accounts.
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
      const { planId, expiresAt, trafficLimit, trialEndsAt, trialTraffic } = subscription;
      const absorbing = liveByPlan.get(planId);
      const unchanged = { expiresAt, trafficLimit, trialEndsAt, trialTraffic };
      if (!absorbing) return { subscription, into: null, ...unchanged };
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

type Add = (a: bigint, b: bigint) => bigint;
type Merged = Omit<MergeDecision, 'subscription' | 'into'>;

const sum: Add = (a, b) => a + b;
const larger: Add = (a, b) => (a > b ? a : b);

/** Combines what remains of both. */
function absorb(
  absorbed: UserSubscription,
  absorbing: UserSubscription,
  { now, add }: { now: Date; add: Add },
): Merged {
  return { ...addTime(absorbed, absorbing, { now, add }), ...addTraffic(absorbed, absorbing, add) };
}

function addTime(
  absorbed: UserSubscription,
  absorbing: UserSubscription,
  { now, add }: { now: Date; add: Add },
): Pick<Merged, 'expiresAt' | 'trialEndsAt'> {
  const trialEndsAt = later(trialEndOf(absorbed), trialEndOf(absorbing));
  if (absorbed.expiresAt === null || absorbing.expiresAt === null) return { expiresAt: null, trialEndsAt };
  const left = (end: Date | null) => larger(BigInt((end ?? now).getTime() - now.getTime()), 0n);
  const paid = (one: UserSubscription) => left(one.expiresAt) - left(trialEndOf(one));
  const total = left(trialEndsAt) + add(paid(absorbed), paid(absorbing));
  return { expiresAt: timeAt(now.getTime() + Number(total)), trialEndsAt };
}

const later = (a: Date | null, b: Date | null) => (b === null || (a !== null && a > b) ? a : b);

/** The new limit includes the traffic that `absorbing` has used. */
function addTraffic(
  absorbed: UserSubscription,
  absorbing: UserSubscription,
  add: Add,
): Pick<Merged, 'trafficLimit' | 'trialTraffic'> {
  const [left, otherLeft] = [trafficLeft(absorbed), trafficLeft(absorbing)];
  if (left === null || otherLeft === null) return { trafficLimit: null, trialTraffic: 0n };
  const [trial, other] = [trialTrafficLeft(absorbed), trialTrafficLeft(absorbing)];
  const used = absorbing.upload + absorbing.download;
  const mergedTrial = larger(trial, other);
  return {
    trafficLimit: addBytes(used, mergedTrial, add(left - trial, otherLeft - other)),
    trialTraffic: mergedTrial > 0n ? addBytes(used, mergedTrial) : 0n,
  };
}

/** The part of `trafficLeft` that came from a trial. */
function trialTrafficLeft(subscription: UserSubscription): bigint {
  return trafficLeft({ ...subscription, trafficLimit: trialTrafficOf(subscription) }) ?? 0n;
}
