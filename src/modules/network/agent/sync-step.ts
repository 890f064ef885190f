import { PlatformError } from '../../../platform/errors.ts';
import { BEFORE_FIRST_BUCKET, LAST_BUCKET, type ListCursor, unpackCursor } from '../user-list-cursor.ts';

/**
 * Checks a revision that an agent sent; null when it sent none.
 *
 * @throws PlatformError BAD_USER_INPUT when it is negative
 */
export function checkRevision(revision: bigint | null, field: string): bigint | null {
  if (revision !== null && revision < 0n) {
    throw new PlatformError('BAD_USER_INPUT', { field, message: `${field}: must not be negative` });
  }
  return revision;
}

/** The facts that decide which part of its list an agent gets next, read in one snapshot. */
export interface ListState {
  /** Agents that have read less than this revision need the whole list again. */
  fullListRevision: bigint;
  /** The oldest running transaction: no change below it can appear any more. */
  horizon: bigint;
  /** The latest change below the horizon; null if nothing changed yet. */
  lastRevision: bigint | null;
}

/**
 * How to read the next part of a list.
 *
 * - SCAN: a page of the whole list in the order of buckets, after `bucket`.
 * - CHANGES: a page of what changed after a cursor.
 * - UP_TO_DATE: the agent has everything that can be sent.
 * - WAIT: a running transaction might still add to what would be sent now.
 */
export type SyncStep =
  | { kind: 'SCAN'; revision: bigint; bucket: number; isFull: boolean }
  | { kind: 'CHANGES'; after: ListCursor }
  | { kind: 'UP_TO_DATE' }
  | { kind: 'WAIT' };

/**
 * Decides how to read the next part of a list.
 *
 * @param since the agent's packed cursor; null, 0 and cursors from the future start a new list
 */
export function nextSyncStep(since: bigint | null, state: ListState): SyncStep {
  const after = unpackCursor(since ?? 0n);
  // No agent ever gets 0, or a revision beyond the horizon.
  if (!since || after.revision >= state.horizon) return startScan(state);
  const isMidScan = after.isScan && after.bucket < LAST_BUCKET;
  if (after.revision < state.fullListRevision) {
    // The agent's list is complete, so it can be used until the new one can be sent.
    return isStable(state) || isMidScan ? startScan(state) : { kind: 'UP_TO_DATE' };
  }
  if (isMidScan) return { kind: 'SCAN', revision: after.revision, bucket: after.bucket, isFull: false };
  return hasChangedSince(after, state) ? { kind: 'CHANGES', after } : { kind: 'UP_TO_DATE' };
}

const isStable = ({ fullListRevision, horizon }: ListState) => fullListRevision < horizon;

function hasChangedSince({ revision, bucket }: ListCursor, { lastRevision }: ListState): boolean {
  const completeRevision = bucket === LAST_BUCKET ? revision : revision - 1n;
  return lastRevision !== null && lastRevision > completeRevision;
}

/**
 * A new list is a scan and not a replay of changes, so subscriptions that ended long ago cost
 * nothing.
 */
function startScan(state: ListState): SyncStep {
  if (!isStable(state)) return { kind: 'WAIT' };
  const { fullListRevision, lastRevision } = state;
  const isChanged = lastRevision !== null && lastRevision > fullListRevision;
  const revision = isChanged ? lastRevision : fullListRevision;
  return { kind: 'SCAN', revision, bucket: BEFORE_FIRST_BUCKET, isFull: true };
}

/**
 * How many rows make a page of at most `size`. Rows with equal keys are never split, because a
 * cursor cannot point between them; if more than `size` rows share the first key, all of them are
 * one page.
 *
 * @param keys sort keys of the rows, in order: `size + 1` of them if there are more, plus all that
 *   equal the last
 */
export function pageLength(keys: readonly (string | number)[], size: number): number {
  const firstBeyond = keys[size];
  if (firstBeyond === undefined) return keys.length;
  const length = keys.indexOf(firstBeyond);
  return length === 0 ? keys.length : length;
}
