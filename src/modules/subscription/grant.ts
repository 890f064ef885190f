import type { ResetCycle, UnitTime } from '../../generated/prisma/client.ts';
import { addBytes } from '../kernel/bytes.ts';
import { addUnits, anchorDayOf } from '../kernel/unit-time.ts';
import { firstReset, nextReset } from './reset-cycle.ts';
import { type TrialShare, trialEndOf, trialTrafficOf } from './trial-share.ts';

/** Time and traffic that a redeemed code grants, as its order recorded them. */
export interface Grant {
  unitTime: UnitTime;
  quantity: number;
  /** Bytes; null is unlimited. */
  trafficLimit: bigint | null;
  resetCycle: ResetCycle;
}

/** The columns of a subscription that a grant sets. */
export interface GrantedSubscription extends TrialShare {
  id: string;
  /** Whether nothing but a trial has been granted. */
  isTrial: boolean;
  startsAt: Date;
  /** Null if it never expires. */
  expiresAt: Date | null;
  /** Bytes; null is unlimited. */
  trafficLimit: bigint | null;
  upload: bigint;
  download: bigint;
  resetCycle: ResetCycle;
  nextResetAt: Date | null;
}

/** Creates a subscription that starts now. */
export function beginSubscription(id: string, grant: Grant, now: Date): GrantedSubscription {
  return {
    id,
    isTrial: false,
    trialEndsAt: null,
    trialTraffic: 0n,
    startsAt: now,
    expiresAt: addUnits(now, grant.unitTime, grant.quantity),
    trafficLimit: grant.trafficLimit,
    upload: 0n,
    download: 0n,
    resetCycle: grant.resetCycle,
    nextResetAt: firstReset(grant.resetCycle, now),
  };
}

/**
 * Adds a grant to a live subscription of the same plan. Time is added to the current expiry; months
 * keep the day of the month that the subscription started on. If the plan never resets, traffic is
 * added up; otherwise the limit of the grant applies and the counters start from zero. Unlimited
 * stays unlimited. What the subscription has from a trial stays recorded as such.
 */
export function extendSubscription(live: GrantedSubscription, grant: Grant, now: Date): GrantedSubscription {
  const from = live.expiresAt !== null && live.expiresAt < now ? now : live.expiresAt;
  const isPeriodic = grant.resetCycle !== 'NEVER';
  return {
    ...live,
    ...extendedTrial(live, grant),
    expiresAt: from && addUnits(from, grant.unitTime, grant.quantity, anchorDayOf(live.startsAt, from)),
    trafficLimit: extendedTraffic(live.trafficLimit, grant.trafficLimit, isPeriodic),
    ...(isPeriodic && { upload: 0n, download: 0n }),
    resetCycle: grant.resetCycle,
    nextResetAt:
      grant.resetCycle === live.resetCycle
        ? live.nextResetAt
        : nextReset(grant.resetCycle, live.startsAt, now),
  };
}

/** A limit for each period replaces that of the trial; an unlimited one has no parts. */
function extendedTrial(
  live: GrantedSubscription,
  { resetCycle, trafficLimit }: Grant,
): TrialShare & { isTrial: false } {
  const isReplaced = resetCycle !== 'NEVER' || trafficLimit === null;
  return {
    isTrial: false,
    trialEndsAt: trialEndOf(live),
    trialTraffic: isReplaced ? 0n : trialTrafficOf(live),
  };
}

function extendedTraffic(present: bigint | null, granted: bigint | null, isPeriodic: boolean): bigint | null {
  if (present === null || granted === null) return null;
  return isPeriodic ? granted : addBytes(present, granted);
}
