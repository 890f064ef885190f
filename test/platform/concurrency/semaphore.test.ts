import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createSemaphore } from '../../../src/platform/concurrency/semaphore.ts';
import { createGate } from '../../support/gate.ts';

describe('createSemaphore', () => {
  it('never exceeds its slots, and runs work in order of arrival', async () => {
    const limit = createSemaphore(2);
    const begun: number[] = [];
    let running = 0;
    let mostRunning = 0;
    const work = (index: number) =>
      limit(async () => {
        begun.push(index);
        running += 1;
        mostRunning = Math.max(mostRunning, running);
        await new Promise(setImmediate);
        running -= 1;
        return index;
      });

    // The second half arrives while slots are being passed on.
    const early = Promise.all([0, 1, 2, 3].map(work));
    await new Promise(setImmediate);
    const late = Promise.all([4, 5, 6, 7].map(work));

    expect([...(await early), ...(await late)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(mostRunning).toBe(2);
  });

  it('throws errors of the work, and frees the slot', async () => {
    const limit = createSemaphore(1);
    const failing = limit(() => Promise.reject(new Error('broken')));
    const next = limit(async () => 'fine');

    await expect(failing).rejects.toThrow('broken');
    expect(await next).toBe('fine');
  });
});

describe('createSemaphore with queue limits', () => {
  const limits = { shedAfterMs: 50, maxWaitMs: 150, overloaded: () => new Error('overloaded') };

  /** A semaphore with one slot, which is taken. */
  function taken() {
    const limit = createSemaphore(1, limits);
    const { passed, pass } = createGate();
    return { limit, taking: limit(() => passed), release: pass };
  }

  it('queues a burst, and runs it when slots are free', async () => {
    const { limit, taking, release } = taken();
    const burst = Promise.all([1, 2, 3].map((number) => limit(async () => number)));

    release();

    expect(await burst).toEqual([1, 2, 3]);
    await taking;
  });

  it('rejects work immediately while the first in the queue has waited too long, and recovers afterwards', async () => {
    const { limit, taking, release } = taken();
    const first = limit(async () => 'first');
    await sleep(80);
    const asked = performance.now();
    await expect(limit(async () => 'second')).rejects.toThrow('overloaded');
    expect(performance.now() - asked).toBeLessThan(40);

    release();

    expect(await first).toBe('first');
    await taking;
    expect(await limit(async () => 'third')).toBe('third');
  });

  it('rejects work that has waited for maxWaitMs, and never runs it', async () => {
    const { limit, taking, release } = taken();
    let isDone = false;
    const asked = performance.now();
    const waiting = limit(async () => {
      isDone = true;
    });

    await expect(waiting).rejects.toThrow('overloaded');

    expect(performance.now() - asked).toBeGreaterThanOrEqual(145);
    release();
    await taking;
    expect(await limit(async () => 'next')).toBe('next');
    expect(isDone).toBe(false);
  });
});
