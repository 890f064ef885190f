import { describe, expect, it, vi } from 'vitest';
import { type CoalescerOptions, createCoalescer } from '../../../src/platform/concurrency/coalescer.ts';

class Overloaded extends Error {}
class Outage extends Error {}
const overloaded = () => new Overloaded();
const fulfilled = (items: number[]): PromiseSettledResult<number>[] =>
  items.map((value) => ({ status: 'fulfilled', value: value * 10 }));

/** A coalescer whose runs the test completes. */
function controlledCoalescer(options: Partial<CoalescerOptions<number, number>> = {}) {
  const runs: { items: number[]; end: () => void; fail: (error: Error) => void }[] = [];
  const run = (items: number[]) =>
    new Promise<PromiseSettledResult<number>[]>((resolve, reject) => {
      runs.push({ items, end: () => resolve(fulfilled(items)), fail: reject });
    });
  const coalescer = createCoalescer<number, number>({ run, overloaded, ...options });
  /** Waits for the n-th run, from 0. */
  const nth = (index: number) =>
    vi.waitFor(() => {
      const found = runs[index];
      if (!found) throw new Error(`run ${index} has not started`);
      return found;
    });
  return { coalescer, runs, nth };
}

const outcomeOf = (promise: Promise<unknown>) => promise.catch((error: unknown) => error);

describe('createCoalescer', () => {
  it('runs immediately when idle, with all items of the same tick', async () => {
    const run = vi.fn(async (items: number[]) => fulfilled(items));
    const coalescer = createCoalescer({ run, overloaded });

    expect(await Promise.all([coalescer.add(1), coalescer.add(2)])).toEqual([10, 20]);
    expect(await coalescer.add(3)).toBe(30);
    expect(run.mock.calls).toEqual([[[1, 2]], [[3]]]);
  });

  it('coalesces items that arrive during a run into the next one, and never runs two concurrently', async () => {
    const { coalescer, runs, nth } = controlledCoalescer();
    const first = coalescer.add(1);
    const held = await nth(0);
    const later = [2, 3, 4].map((item) => coalescer.add(item));
    await new Promise((resolve) => setImmediate(resolve));
    expect(runs).toHaveLength(1);

    held.end();
    const next = await nth(1);
    next.end();

    expect(next.items).toEqual([2, 3, 4]);
    expect(await Promise.all([first, ...later])).toEqual([10, 20, 30, 40]);
  });

  it('runs at most maxSize items at a time, in order', async () => {
    const sizes: number[][] = [];
    const coalescer = createCoalescer({
      run: async (items: number[]) => {
        sizes.push(items);
        return fulfilled(items);
      },
      overloaded,
      maxSize: 2,
    });

    await Promise.all([1, 2, 3, 4, 5].map((item) => coalescer.add(item)));

    expect(sizes).toEqual([[1, 2], [3, 4], [5]]);
  });

  it('settles each item with its own outcome', async () => {
    const coalescer = createCoalescer<number, number>({
      run: async (items) =>
        items.map((value) =>
          value === 2 ? { status: 'rejected', reason: new Error('two') } : { status: 'fulfilled', value },
        ),
      overloaded,
    });

    const [one, two, three] = await Promise.allSettled([1, 2, 3].map((item) => coalescer.add(item)));

    expect(one).toMatchObject({ value: 1 });
    expect(two).toMatchObject({ reason: { message: 'two' } });
    expect(three).toMatchObject({ value: 3 });
  });

  it('retries items one by one after a failed run, so that only the bad one fails', async () => {
    const run = vi.fn(async (items: number[]) => {
      if (items.includes(3)) throw new Error('three');
      return fulfilled(items);
    });
    const coalescer = createCoalescer({ run, overloaded });

    const outcomes = await Promise.all([1, 2, 3, 4].map((item) => outcomeOf(coalescer.add(item))));

    expect(outcomes).toEqual([10, 20, new Error('three'), 40]);
    expect(await coalescer.add(5)).toBe(50);
  });

  it('fails all items without a retry when the error concerns all', async () => {
    const run = vi.fn(async (): Promise<PromiseSettledResult<number>[]> => {
      throw new Outage();
    });
    const coalescer = createCoalescer({ run, overloaded, failTogether: (error) => error instanceof Outage });

    const outcomes = await Promise.all([1, 2, 3].map((item) => outcomeOf(coalescer.add(item))));

    expect(outcomes.every((outcome) => outcome instanceof Outage)).toBe(true);
    expect(run).toHaveBeenCalledTimes(1);
  });

  it('stops retrying one by one when an outage starts', async () => {
    const run = vi.fn(async (items: number[]) => {
      if (items.length > 1) throw new Error('one of them');
      if (items[0] === 2) throw new Outage();
      return fulfilled(items);
    });
    const coalescer = createCoalescer({ run, overloaded, failTogether: (error) => error instanceof Outage });

    const outcomes = await Promise.all([1, 2, 3, 4].map((item) => outcomeOf(coalescer.add(item))));

    expect(outcomes[0]).toBe(10);
    expect(outcomes.slice(1).every((outcome) => outcome instanceof Outage)).toBe(true);
    expect(run).toHaveBeenCalledTimes(3);
  });

  it('does not rerun items whose outcomes are missing', async () => {
    const run = vi.fn(async () => fulfilled([1]));
    const coalescer = createCoalescer<number, number>({ run, overloaded });

    const outcomes = await Promise.all([1, 2].map((item) => outcomeOf(coalescer.add(item))));

    expect(outcomes).toEqual([10, expect.any(Error)]);
    expect(run).toHaveBeenCalledTimes(1);
  });

  it('rejects items immediately beyond maxWaiting', async () => {
    const { coalescer, nth } = controlledCoalescer({ maxWaiting: 3 });
    const first = coalescer.add(0);
    const held = await nth(0);
    const waiting = [1, 2, 3].map((item) => coalescer.add(item));

    await expect(coalescer.add(4)).rejects.toThrow(Overloaded);

    held.end();
    (await nth(1)).end();
    expect(await Promise.all([first, ...waiting])).toEqual([0, 10, 20, 30]);
    const again = coalescer.add(5);
    (await nth(2)).end();
    expect(await again).toBe(50);
  });

  it('rejects items immediately whose expected wait exceeds maxWaitMs', async () => {
    let runs = 0;
    const run = async (items: number[]) => {
      await new Promise((resolve) => setTimeout(resolve, 40));
      runs += 1;
      return fulfilled(items);
    };
    const coalescer = createCoalescer({ run, overloaded, maxSize: 1, maxWaitMs: 100 });
    for (const item of [1, 2, 3, 4, 5, 6, 7, 8]) await coalescer.add(item);

    const outcomes = await Promise.all(
      Array.from({ length: 20 }, async (_, item) => {
        const outcome = await outcomeOf(coalescer.add(item));
        return { refused: outcome instanceof Overloaded, runs };
      }),
    );

    const refused = outcomes.filter((outcome) => outcome.refused);
    // About 38 ms each: the first starts immediately, the third after 76 ms, the fourth would after
    // 114.
    expect(refused.length).toBeGreaterThanOrEqual(16);
    expect(refused.length).toBeLessThanOrEqual(19);
    expect(Math.max(...refused.map((refusal) => refusal.runs))).toBe(8);
    expect(await coalescer.add(100)).toBe(1_000);
  });

  it('expects a run beyond the average to take as long again', async () => {
    const { coalescer, nth } = controlledCoalescer({ maxWaitMs: 120 });
    const usual = coalescer.add(1);
    (await nth(0)).end();
    await usual;
    const hanging = coalescer.add(2);
    const held = await nth(1);
    await new Promise((resolve) => setTimeout(resolve, 130));

    const startedAt = performance.now();
    const outcome = await outcomeOf(coalescer.add(3));

    expect(outcome).toBeInstanceOf(Overloaded);
    expect(performance.now() - startedAt).toBeLessThan(100);
    held.end();
    expect(await hanging).toBe(20);
  });

  it('rejects items that have waited for maxWaitMs, even while a run hangs', async () => {
    const { coalescer, runs, nth } = controlledCoalescer({ maxWaitMs: 60 });
    const hanging = coalescer.add(1);
    const held = await nth(0);

    const startedAt = performance.now();
    const outcome = await outcomeOf(coalescer.add(2));

    expect(outcome).toBeInstanceOf(Overloaded);
    expect(performance.now() - startedAt).toBeGreaterThanOrEqual(55);
    held.end();
    expect(await hanging).toBe(10);
    await coalescer.drain();
    expect(runs).toHaveLength(1);
  });

  it('drain() settles once no item is waiting or running', async () => {
    const { coalescer, nth } = controlledCoalescer();
    const first = coalescer.add(1);
    const held = await nth(0);
    const second = coalescer.add(2);
    let drained = false;
    const drain = coalescer.drain().then(() => {
      drained = true;
    });

    held.end();
    const next = await nth(1);
    expect(drained).toBe(false);
    next.end();
    await drain;

    expect(await Promise.all([first, second])).toEqual([10, 20]);
    await expect(coalescer.drain()).resolves.toBeUndefined();
  });

  it('settles every one of 500 items, and continues after failed runs', async () => {
    let at = 0;
    const run = async (items: number[]) => {
      await new Promise((resolve) => setImmediate(resolve));
      if (at++ % 3 === 1 && items.length > 1) throw new Error('as a whole');
      return fulfilled(items);
    };
    const coalescer = createCoalescer({ run, overloaded, maxSize: 7 });

    const results = await Promise.all(
      Array.from({ length: 500 }, async (_, item) => {
        if (item % 5 === 0) await new Promise((resolve) => setTimeout(resolve, item % 20));
        return coalescer.add(item);
      }),
    );

    expect(results).toEqual(Array.from({ length: 500 }, (_, item) => item * 10));
  });
});
