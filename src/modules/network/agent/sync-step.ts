import { PlatformError } from '../../../platform/errors.ts';

/** Buckets are 20 bits of a subscription's id: tessera_bucket() in the database. */
export const LAST_BUCKET = 2 ** 20 - 1;
/** In front of every bucket. */
export const FIRST_BUCKET = -1;

/**
 * How far an agent has come in its list. The list is in the order of revisions (the transactions that changed
 * something), and within one of buckets.
 *
 * While it is walked through from its beginning, everything that was changed up to `revision` is in the order of
 * buckets alone: a hundred thousand entries take many pages, and nothing has to be remembered between them.
 */
export interface ListPosition {
  revision: bigint;
  bucket: number;
  isWalk: boolean;
}

const REVISION_SHIFT = 21n;

/** A position as the one number that agents are given: 42 bits of revision, 20 of bucket, 1 for a walk. */
export function packPosition({ revision, bucket, isWalk }: ListPosition): bigint {
  return (revision << REVISION_SHIFT) | (BigInt(bucket) << 1n) | (isWalk ? 1n : 0n);
}

export function unpackPosition(packed: bigint): ListPosition {
  return {
    revision: packed >> REVISION_SHIFT,
    bucket: Number((packed >> 1n) & BigInt(LAST_BUCKET)),
    isWalk: (packed & 1n) === 1n,
  };
}

/**
 * A revision as an agent shows it; null for none.
 *
 * @throws PlatformError BAD_USER_INPUT for one that is negative
 */
export function checkRevision(revision: bigint | null, field: string): bigint | null {
  if (revision !== null && revision < 0n) {
    throw new PlatformError('BAD_USER_INPUT', { field, message: `${field}: must not be negative` });
  }
  return revision;
}

/** What decides which part of its list an agent is given next, read in one snapshot. */
export interface ListState {
  /** Whoever has read up to an older revision begins anew. */
  fullListRevision: bigint;
  /** Every transaction below it has ended, so nothing below it will appear later. */
  horizon: bigint;
  /** The latest change below the horizon; null for none. */
  lastRevision: bigint | null;
}

/**
 * What comes next: WALK, a page of everybody in the order of buckets, after `bucket`; CHANGES after a position; NOTHING;
 * or WAIT, as what there is now could not be told without the risk to leave something out.
 */
export type ListStep =
  | { kind: 'WALK'; revision: bigint; bucket: number; isFull: boolean }
  | { kind: 'CHANGES'; after: ListPosition }
  | { kind: 'NOTHING' }
  | { kind: 'WAIT' };

/**
 * Decides what an agent is told next.
 *
 * @param since what it was given last; null for the whole list, as for 0 and for a position from the future
 */
export function nextStep(since: bigint | null, state: ListState): ListStep {
  const after = unpackPosition(since ?? 0n);
  // Nobody is given 0, or anything beyond the horizon.
  if (!since || after.revision >= state.horizon) return beginning(state);
  const isMidway = after.isWalk && after.bucket < LAST_BUCKET;
  if (after.revision < state.fullListRevision) {
    // What it has is whole, so it can be left with it until the new list can be told.
    return isStable(state) || isMidway ? beginning(state) : { kind: 'NOTHING' };
  }
  if (isMidway) return { kind: 'WALK', revision: after.revision, bucket: after.bucket, isFull: false };
  return hasChangedSince(after, state) ? { kind: 'CHANGES', after } : { kind: 'NOTHING' };
}

const isStable = ({ fullListRevision, horizon }: ListState) => fullListRevision < horizon;

function hasChangedSince({ revision, bucket }: ListPosition, { lastRevision }: ListState): boolean {
  const hasSeenAllOf = bucket === LAST_BUCKET ? revision : revision - 1n;
  return lastRevision !== null && lastRevision > hasSeenAllOf;
}

/** Everything that is stable is walked through, so of what has ended long ago nothing is read and nothing told. */
function beginning(state: ListState): ListStep {
  if (!isStable(state)) return { kind: 'WAIT' };
  const { fullListRevision, lastRevision } = state;
  const isChanged = lastRevision !== null && lastRevision > fullListRevision;
  const revision = isChanged ? lastRevision : fullListRevision;
  return { kind: 'WALK', revision, bucket: FIRST_BUCKET, isFull: true };
}

/**
 * How many of the rows make a page of at most `size`: never a part of those that stand at one place. When more than
 * `size` stand at the first place, they are all one page.
 *
 * @param places where the rows stand, in order; one more than fits where there are more, and all that equal that one
 */
export function pageLength(places: readonly (string | number)[], size: number): number {
  const beyond = places[size];
  if (beyond === undefined) return places.length;
  const length = places.indexOf(beyond);
  return length === 0 ? places.length : length;
}
