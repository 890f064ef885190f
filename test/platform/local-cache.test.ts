import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { LocalCache } from '../../src/platform/local-cache.ts';

const LIMITS = { maxAgeMs: 1_000, entries: 3, bytes: 100 };

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

function filled(entries: Record<string, number>) {
  const cache = new LocalCache<string>(LIMITS);
  for (const [owner, bytes] of Object.entries(entries)) cache.put(cache.begin(owner), owner, { bytes });
  return cache;
}

const ownersIn = (cache: LocalCache<string>) => ['a', 'b', 'c', 'd'].filter((owner) => cache.get(owner));

describe('LocalCache', () => {
  it('returns a value until it has its maximum age', () => {
    const cache = filled({ a: 1 });

    vi.advanceTimersByTime(999);
    expect(cache.get('a')).toBe('a');
    vi.advanceTimersByTime(1);
    expect(cache.get('a')).toBeUndefined();
  });

  it('keeps values of one owner under different keys', () => {
    const cache = filled({});
    cache.put(cache.begin('a'), 'first', { key: '1' });
    cache.put(cache.begin('a'), 'second', { key: '2' });

    expect([cache.get('a', '1'), cache.get('a', '2'), cache.get('a')]).toEqual([
      'first',
      'second',
      undefined,
    ]);
  });

  it('evicts all values of an owner and no others', () => {
    const cache = filled({ a: 1, b: 1 });
    cache.put(cache.begin('a'), 'second', { key: '2' });

    cache.evict('a');

    expect([ownersIn(cache), cache.get('a', '2')]).toEqual([['b'], undefined]);
    expect(cache.usage()).toMatchObject({ entries: 1, bytes: 1 });
  });

  it('evicts everything', () => {
    const cache = filled({ a: 1, b: 1 });

    cache.evictAll();

    expect(ownersIn(cache)).toEqual([]);
    expect(cache.usage()).toMatchObject({ entries: 0, bytes: 0 });
  });

  it.each([
    ['its owner', (cache: LocalCache<string>) => cache.evict('a')],
    ['everything', (cache: LocalCache<string>) => cache.evictAll()],
  ])('ignores a read that began before %s was evicted', (_what, evict) => {
    const cache = filled({});
    const before = cache.begin('a');

    evict(cache);
    const after = cache.begin('a');
    cache.put(after, 'new');
    cache.put(before, 'old');

    expect(cache.get('a')).toBe('new');
  });

  it('keeps a read during which another owner was evicted', () => {
    const cache = filled({});
    const reading = cache.begin('a');

    cache.evict('b');
    cache.put(reading, 'value');

    expect(cache.get('a')).toBe('value');
  });

  it('drops the owners that were written least recently beyond its number of entries', () => {
    expect(ownersIn(filled({ a: 1, b: 1, c: 1, d: 1 }))).toEqual(['b', 'c', 'd']);
  });

  it('drops them beyond its bytes, and does not keep a value that is larger than those', () => {
    expect(ownersIn(filled({ a: 60, b: 60 }))).toEqual(['b']);
    expect(ownersIn(filled({ a: 60, b: 101 }))).toEqual(['a']);
  });

  it('counts a replaced value once', () => {
    const cache = filled({ a: 60 });

    cache.put(cache.begin('a'), 'again', { bytes: 70 });

    expect(cache.usage()).toMatchObject({ entries: 1, bytes: 70 });
  });

  it('counts hits and misses', () => {
    const cache = filled({ a: 1 });
    for (const owner of ['a', 'a', 'b']) cache.get(owner);

    expect(cache.usage()).toMatchObject({ hits: 2, misses: 1 });
  });

  it('reads through, and does not cache failures', async () => {
    const cache = filled({});
    const read = vi.fn().mockRejectedValueOnce(new Error('away')).mockResolvedValue('value');

    await expect(cache.read('a', read)).rejects.toThrow('away');
    expect([await cache.read('a', read), await cache.read('a', read)]).toEqual(['value', 'value']);
    expect(read).toHaveBeenCalledTimes(2);
  });
});
