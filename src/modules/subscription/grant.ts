import type { ResetCycle, UnitTime } from '../../generated/prisma/client.ts';
import { addUnits } from '../kernel/unit-time.ts';
import { firstReset, nextReset } from './reset-cycle.ts';

/** What a redeemed code grants, as its order has kept it. */
export interface Grant {
  unitTime: UnitTime;
  quantity: number;
  /** Bytes; null is unlimited. */
  trafficLimit: bigint | null;
  resetCycle: ResetCycle;
}

/** The part of a subscription that a grant changes. */
export interface GrantedSubscription {
  id: string;
  startsAt: Date;
  /** Null is never. */
  expiresAt: Date | null;
  /** Bytes; null is unlimited. */
  trafficLimit: bigint | null;
  upload: bigint;
  download: bigint;
  resetCycle: ResetCycle;
  nextResetAt: Date | null;
}

/** A subscription that begins with this grant. */
export function beginSubscription(id: string, grant: Grant, now: Date): GrantedSubscription {
  return {
    id,
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
 * A live subscription after a further grant of its plan. Its time goes on from where it would have ended. Traffic that
 * never resets is added up; traffic that resets starts again from zero. What is unlimited stays so.
 */
export function extendSubscription(live: GrantedSubscription, grant: Grant, now: Date): GrantedSubscription {
  const from = live.expiresAt !== null && live.expiresAt < now ? now : live.expiresAt;
  const isPeriodic = grant.resetCycle !== 'NEVER';
  return {
    ...live,
    expiresAt: from && addUnits(from, grant.unitTime, grant.quantity),
    trafficLimit: extendedTraffic(live.trafficLimit, grant.trafficLimit, isPeriodic),
    ...(isPeriodic && { upload: 0n, download: 0n }),
    resetCycle: grant.resetCycle,
    nextResetAt:
      grant.resetCycle === live.resetCycle
        ? live.nextResetAt
        : nextReset(grant.resetCycle, live.startsAt, now),
  };
}

function extendedTraffic(present: bigint | null, granted: bigint | null, isPeriodic: boolean): bigint | null {
  if (present === null || granted === null) return null;
  return isPeriodic ? granted : present + granted;
}
