import { describe, expect, it } from 'vitest';
import { createLimit } from '../../src/platform/limit.ts';

describe('createLimit', () => {
  it('never runs more at once, whenever they come, and lets each have its turn in order', async () => {
    const limit = createLimit(2);
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
    const limit = createLimit(1);
    const failing = limit(() => Promise.reject(new Error('broken')));
    const next = limit(async () => 'fine');

    await expect(failing).rejects.toThrow('broken');
    expect(await next).toBe('fine');
  });
});
