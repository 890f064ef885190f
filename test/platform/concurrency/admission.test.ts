import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createAdmission } from '../../../src/platform/concurrency/admission.ts';

/** Work that uses up an allowance when it ends, and notes how much was under way at once. */
function allowanceOf(points: number) {
  const state = { left: points, done: 0, underWay: 0, most: 0 };
  return {
    state,
    left: async () => {
      await sleep(1);
      if (state.left <= 0) throw new Error('used up');
      return state.left;
    },
    use: async () => {
      state.most = Math.max(state.most, ++state.underWay);
      await sleep(5 * Math.random());
      state.underWay -= 1;
      state.left -= 1;
      state.done += 1;
    },
  };
}

describe('take', () => {
  it('never does more than is left, however many come at once', async () => {
    for (let round = 0; round < 20; round++) {
      const turns = createAdmission();
      const { state, left, use } = allowanceOf(7);
      const outcomes = await Promise.allSettled(
        Array.from({ length: 40 }, async (_, place) => {
          await sleep(place / 8);
          return turns.run('key', left, use);
        }),
      );

      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(7);
      expect(state).toMatchObject({ left: 0, done: 7 });
    }
  });

  it('lets everybody through where nothing is used up, so many at once', async () => {
    const turns = createAdmission();
    const { state, left } = allowanceOf(3);
    let most = 0;
    let underWay = 0;
    const work = async () => {
      most = Math.max(most, ++underWay);
      await sleep(2);
      underWay -= 1;
    };
    await Promise.all(Array.from({ length: 30 }, () => turns.run('key', left, work)));

    expect(most).toBe(3);
    expect(state.left).toBe(3);
  });

  it('does not let one key wait for another, and goes on after work that fails', async () => {
    const turns = createAdmission();
    const one = async () => 1;
    const stuck = turns.run('stuck', one, () => sleep(10_000, undefined, { ref: false }));
    await expect(turns.run('key', one, () => Promise.reject(new Error('failed')))).rejects.toThrow('failed');

    expect(await turns.run('key', one, async () => 'done')).toBe('done');
    void stuck;
  });
});
