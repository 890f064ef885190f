import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { createSemaphore } from '../../../src/platform/concurrency/semaphore.ts';
import { createGate } from '../../support/gate.ts';

describe('createLimit', () => {
  it('never runs more at once, whenever they come, and lets each have its turn in order', async () => {
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

    // The second half comes while places are being handed on.
    const early = Promise.all([0, 1, 2, 3].map(work));
    await new Promise(setImmediate);
    const late = Promise.all([4, 5, 6, 7].map(work));

    expect([...(await early), ...(await late)]).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(begun).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
    expect(mostRunning).toBe(2);
  });

  it('passes errors on and frees the place', async () => {
    const limit = createSemaphore(1);
    const failing = limit(() => Promise.reject(new Error('broken')));
    const next = limit(async () => 'fine');

    await expect(failing).rejects.toThrow('broken');
    expect(await next).toBe('fine');
  });
});

describe('createLimit with patience', () => {
  const patience = { shedAfterMs: 50, maxWaitMs: 150, overloaded: () => new Error('too much') };

  /** A limit of one, and its place is taken. */
  function taken() {
    const limit = createSemaphore(1, patience);
    const { passed, pass } = createGate();
    return { limit, taking: limit(() => passed), leave: pass };
  }

  it('takes a burst in, and lets it in when there are places', async () => {
    const { limit, taking, leave } = taken();
    const burst = Promise.all([1, 2, 3].map((number) => limit(async () => number)));

    leave();

    expect(await burst).toEqual([1, 2, 3]);
    await taking;
  });

  it('refuses at once while the first in line has waited for long, and takes in again when he is through', async () => {
    const { limit, taking, leave } = taken();
    const first = limit(async () => 'first');
    await sleep(80);
    const asked = performance.now();
    await expect(limit(async () => 'second')).rejects.toThrow('too much');
    expect(performance.now() - asked).toBeLessThan(40);

    leave();

    expect(await first).toBe('first');
    await taking;
    expect(await limit(async () => 'third')).toBe('third');
  });

  it('lets nobody wait for longer than the longest wait, and does not do his work later', async () => {
    const { limit, taking, leave } = taken();
    let isDone = false;
    const asked = performance.now();
    const waiting = limit(async () => {
      isDone = true;
    });

    await expect(waiting).rejects.toThrow('too much');

    expect(performance.now() - asked).toBeGreaterThanOrEqual(145);
    leave();
    await taking;
    expect(await limit(async () => 'next')).toBe('next');
    expect(isDone).toBe(false);
  });
});
