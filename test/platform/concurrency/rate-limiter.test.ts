import { describe, expect, it } from 'vitest';
import { createKeyedRateLimiter, createRateLimiter } from '../../../src/platform/concurrency/rate-limiter.ts';

const rate = { burst: 5, perSecond: 10 };

describe('createKeyedRateLimiter', () => {
  it('allows a burst, then `perSecond` events per second, and returns the wait', () => {
    let now = 1_000;
    const { take } = createKeyedRateLimiter(rate, () => now);
    const taken = (times: number) => Array.from({ length: times }, () => take('key'));

    expect(taken(7)).toEqual([0, 0, 0, 0, 0, 1, 1]);
    now += 100;
    expect(taken(2)).toEqual([0, 1]);
    now += 60_000;
    expect(taken(6)).toEqual([0, 0, 0, 0, 0, 1]);
  });

  it('limits each key separately', () => {
    const { take } = createKeyedRateLimiter(rate, () => 0);
    for (let times = 0; times < 9; times++) take('one');

    expect([take('one'), take('other')]).toEqual([1, 0]);
  });

  it('keeps a bounded number of keys, and evicts the one idle longest', () => {
    const { take } = createKeyedRateLimiter({ burst: 1, perSecond: 1 }, () => 0);
    take('first');
    for (let key = 0; key < 49_999; key++) take(`key ${key}`);
    expect(take('first')).toBe(1);
    take('one more');

    expect(take('first')).toBe(0);
  });
});

describe('createRateLimiter', () => {
  it('allows a burst, then `perSecond` events per second', () => {
    let now = 0;
    const isAllowed = createRateLimiter(rate, () => now);

    expect(Array.from({ length: 6 }, () => isAllowed())).toEqual([true, true, true, true, true, false]);
    now += 100;
    expect([isAllowed(), isAllowed()]).toEqual([true, false]);
  });
});
