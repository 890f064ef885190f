import { describe, expect, it } from 'vitest';
import {
  LAST_BUCKET,
  type ListState,
  nextStep,
  packPosition,
  pageLength,
  unpackPosition,
} from '../../../../src/modules/network/agent/sync-step.ts';

const state = (overrides: Partial<ListState> = {}): ListState => ({
  fullListRevision: 100n,
  horizon: 200n,
  lastRevision: 150n,
  ...overrides,
});
const at = (revision: bigint, bucket = LAST_BUCKET, isWalk = false) =>
  packPosition({ revision, bucket, isWalk });

describe('packPosition', () => {
  it.each([
    { revision: 0n, bucket: 0, isWalk: false },
    { revision: 1n, bucket: LAST_BUCKET, isWalk: true },
    { revision: 2n ** 42n - 1n, bucket: 7, isWalk: false },
  ])('is undone by unpackPosition: %o', (position) => {
    expect(unpackPosition(packPosition(position))).toEqual(position);
  });

  it('orders positions as lists are read: a walk first, then later changes', () => {
    const order = [
      at(5n, 1, true),
      at(5n, 2, true),
      at(5n, LAST_BUCKET, true),
      at(6n, 0),
      at(6n, 9),
      at(7n, 0),
    ];
    expect(order.toSorted((one, other) => (one < other ? -1 : 1))).toEqual(order);
  });
});

describe('nextStep', () => {
  const whole = { kind: 'WALK', revision: 150n, bucket: -1, isFull: true };

  it.each([
    ['nothing', null],
    ['zero', 0n],
    ['a revision from the future', at(200n)],
    ['a revision from before the nodes changed', at(99n)],
  ])('begins the whole list for %s', (_what, since) => {
    expect(nextStep(since, state())).toEqual(whole);
  });

  it('walks through what there was when the list began, as far as it has come', () => {
    const step = nextStep(at(150n, 7, true), state({ lastRevision: 180n }));

    expect(step).toEqual({ kind: 'WALK', revision: 150n, bucket: 7, isFull: false });
  });

  it('goes on with changes after the walk', () => {
    expect(nextStep(at(150n, LAST_BUCKET, true), state({ lastRevision: 180n }))).toMatchObject({
      kind: 'CHANGES',
      after: { revision: 150n, bucket: LAST_BUCKET },
    });
    expect(nextStep(at(150n, LAST_BUCKET, true), state())).toEqual({ kind: 'NOTHING' });
  });

  it('looks for the rest of a revision that was not read to its end', () => {
    expect(nextStep(at(150n, 7), state()).kind).toBe('CHANGES');
    expect(nextStep(at(150n), state()).kind).toBe('NOTHING');
  });

  it('waits while the change of the nodes cannot be told, and leaves a whole list as it is', () => {
    const unstable = state({ fullListRevision: 200n });

    expect(nextStep(null, unstable)).toEqual({ kind: 'WAIT' });
    expect(nextStep(at(150n, 7, true), unstable)).toEqual({ kind: 'WAIT' });
    expect(nextStep(at(150n), unstable)).toEqual({ kind: 'NOTHING' });
  });

  it('begins with the change of the nodes where nothing else has changed since', () => {
    expect(nextStep(null, state({ lastRevision: null }))).toMatchObject({ revision: 100n });
    expect(nextStep(null, state({ lastRevision: 50n }))).toMatchObject({ revision: 100n });
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
