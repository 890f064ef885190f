import { describe, expect, it } from 'vitest';
import { type ListState, nextSyncStep, pageLength } from '../../../../src/modules/network/agent/sync-step.ts';
import { LAST_BUCKET, packCursor } from '../../../../src/modules/network/user-list-cursor.ts';

const state = (overrides: Partial<ListState> = {}): ListState => ({
  fullListRevision: 100n,
  horizon: 200n,
  lastRevision: 150n,
  ...overrides,
});
const at = (revision: bigint, bucket = LAST_BUCKET, isScan = false) =>
  packCursor({ revision, bucket, isScan });

describe('nextSyncStep', () => {
  const whole = { kind: 'SCAN', revision: 150n, bucket: -1, isFull: true };

  it.each([
    ['absent', null],
    ['zero', 0n],
    ['from the future', at(200n)],
    ['older than the last node change', at(99n)],
  ])('starts a full scan when the agent’s revision is %s', (_what, since) => {
    expect(nextSyncStep(since, state())).toEqual(whole);
  });

  it('continues a scan where it stopped, as of the revision at its start', () => {
    const step = nextSyncStep(at(150n, 7, true), state({ lastRevision: 180n }));

    expect(step).toEqual({ kind: 'SCAN', revision: 150n, bucket: 7, isFull: false });
  });

  it('continues with changes after a complete scan', () => {
    expect(nextSyncStep(at(150n, LAST_BUCKET, true), state({ lastRevision: 180n }))).toMatchObject({
      kind: 'CHANGES',
      after: { revision: 150n, bucket: LAST_BUCKET },
    });
    expect(nextSyncStep(at(150n, LAST_BUCKET, true), state())).toEqual({ kind: 'UP_TO_DATE' });
  });

  it('reads the rest of a revision that was read in part', () => {
    expect(nextSyncStep(at(150n, 7), state()).kind).toBe('CHANGES');
    expect(nextSyncStep(at(150n), state()).kind).toBe('UP_TO_DATE');
  });

  it('waits for a node change above the horizon, unless the agent has a complete list', () => {
    const unstable = state({ fullListRevision: 200n });

    expect(nextSyncStep(null, unstable)).toEqual({ kind: 'WAIT' });
    expect(nextSyncStep(at(150n, 7, true), unstable)).toEqual({ kind: 'WAIT' });
    expect(nextSyncStep(at(150n), unstable)).toEqual({ kind: 'UP_TO_DATE' });
  });

  it('starts a scan at the node change if nothing has changed since', () => {
    expect(nextSyncStep(null, state({ lastRevision: null }))).toMatchObject({ revision: 100n });
    expect(nextSyncStep(null, state({ lastRevision: 50n }))).toMatchObject({ revision: 100n });
  });
});

describe('pageLength', () => {
  it.each([
    [[1, 2, 3], 5, 3],
    [[1, 2, 3], 3, 3],
    [[1, 2, 3, 4], 3, 3],
    [[1, 2, 3, 3], 3, 2],
    [[1, 2, 2, 2], 3, 1],
    [[2, 2, 2, 2], 3, 4],
    [[2, 2], 1, 2],
    [[], 1, 0],
  ])('for keys %j and a size of %i is %i, so that equal keys are never split', (keys, size, length) => {
    expect(pageLength(keys, size)).toBe(length);
  });
});
