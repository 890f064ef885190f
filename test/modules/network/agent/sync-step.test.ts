import { describe, expect, it } from 'vitest';
import { type ListState, nextSyncStep, pageLength } from '../../../../src/modules/network/agent/sync-step.ts';
import { LAST_BUCKET, packCursor } from '../../../../src/modules/network/list-cursor.ts';

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
    ['nothing', null],
    ['zero', 0n],
    ['a revision from the future', at(200n)],
    ['a revision from before the nodes changed', at(99n)],
  ])('begins the whole list for %s', (_what, since) => {
    expect(nextSyncStep(since, state())).toEqual(whole);
  });

  it('walks through what there was when the list began, as far as it has come', () => {
    const step = nextSyncStep(at(150n, 7, true), state({ lastRevision: 180n }));

    expect(step).toEqual({ kind: 'SCAN', revision: 150n, bucket: 7, isFull: false });
  });

  it('goes on with changes after the walk', () => {
    expect(nextSyncStep(at(150n, LAST_BUCKET, true), state({ lastRevision: 180n }))).toMatchObject({
      kind: 'CHANGES',
      after: { revision: 150n, bucket: LAST_BUCKET },
    });
    expect(nextSyncStep(at(150n, LAST_BUCKET, true), state())).toEqual({ kind: 'UP_TO_DATE' });
  });

  it('looks for the rest of a revision that was not read to its end', () => {
    expect(nextSyncStep(at(150n, 7), state()).kind).toBe('CHANGES');
    expect(nextSyncStep(at(150n), state()).kind).toBe('UP_TO_DATE');
  });

  it('waits while the change of the nodes cannot be told, and leaves a whole list as it is', () => {
    const unstable = state({ fullListRevision: 200n });

    expect(nextSyncStep(null, unstable)).toEqual({ kind: 'WAIT' });
    expect(nextSyncStep(at(150n, 7, true), unstable)).toEqual({ kind: 'WAIT' });
    expect(nextSyncStep(at(150n), unstable)).toEqual({ kind: 'UP_TO_DATE' });
  });

  it('begins with the change of the nodes where nothing else has changed since', () => {
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
  ])('of %j, %i at most, is %i: never a part of what stands at one place', (places, size, length) => {
    expect(pageLength(places, size)).toBe(length);
  });
});
