import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createAdmission } from '../../../src/platform/concurrency/admission.ts';

/** Work that uses up one event of a limit when it ends, and records the concurrency. */
function limitOf(points: number) {
  const state = { left: points, done: 0, running: 0, most: 0 };
  return {
    state,
    left: async () => {
      await sleep(1);
      if (state.left <= 0) throw new Error('limit exceeded');
      return state.left;
    },
    use: async () => {
      state.most = Math.max(state.most, ++state.running);
      await sleep(5 * Math.random());
      state.running -= 1;
      state.left -= 1;
      state.done += 1;
    },
  };
}

describe('createAdmission', () => {
  it('never runs more work than the limit has left, even for concurrent calls', async () => {
    for (let round = 0; round < 20; round++) {
      const admission = createAdmission();
      const { state, left, use } = limitOf(7);
      const outcomes = await Promise.allSettled(
        Array.from({ length: 40 }, async (_, place) => {
          await sleep(place / 8);
          return admission.run('key', left, use);
        }),
      );

      expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(7);
      expect(state).toMatchObject({ left: 0, done: 7 });
    }
  });

  it('runs all work that uses up nothing, with the remainder as concurrency', async () => {
    const admission = createAdmission();
    const { state, left } = limitOf(3);
    let most = 0;
    let running = 0;
    const work = async () => {
      most = Math.max(most, ++running);
      await sleep(2);
      running -= 1;
    };
    await Promise.all(Array.from({ length: 30 }, () => admission.run('key', left, work)));

    expect(most).toBe(3);
    expect(state.left).toBe(3);
  });

  it('does not delay one key for another, and continues after failed work', async () => {
    const admission = createAdmission();
    const one = async () => 1;
    const stuck = admission.run('stuck', one, () => sleep(10_000, undefined, { ref: false }));
    await expect(admission.run('key', one, () => Promise.reject(new Error('failed')))).rejects.toThrow(
      'failed',
    );

    expect(await admission.run('key', one, async () => 'done')).toBe('done');
    void stuck;
  });
});
