import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PubSub } from '../../../src/platform/watch/pubsub.ts';
import { createWatcher, type Watcher } from '../../../src/platform/watch/watch.ts';

const NEVER = 3_600_000;
const SPREAD_MS = 600;

let watcher: Watcher;
let publish: Parameters<PubSub['onWake']>[0];
let reconnect: () => void;
let version: number;
let polls: number;

beforeEach(() => {
  version = 1;
  polls = 0;
  const pubSub: Pick<PubSub, 'onWake' | 'onReconnect'> = {
    onWake: (listener) => {
      publish = listener;
      return () => {};
    },
    onReconnect: (listener) => {
      reconnect = listener;
      return () => {};
    },
  };
  watcher = createWatcher({ pubSub, log: pino({ level: 'silent' }), pollMs: NEVER });
});
afterEach(() => watcher.close());

/**
 * Opens streams, waits for their first read and first poll, and records the time of each later
 * read.
 */
async function open(count: number) {
  const kind = watcher.kind({
    ...{ topic: 'user-changed', pollOn: 'plan-changed', spreadMs: SPREAD_MS },
    fingerprints: async (ids) => {
      polls += 1;
      return new Map(ids.map((id) => [id, String(version)]));
    },
  });
  const reads: number[] = [];
  for (let stream = 0; stream < count; stream++) {
    void (async () => {
      for await (const _ of kind.watch(`${stream}`, async () => reads.push(performance.now())));
    })();
  }
  await all(reads, count);
  publish('plan-changed', ['a plan']);
  await vi.waitFor(() => expect(reads.length).toBe(2 * count), { timeout: 5_000 });
  reads.length = 0;
  polls = 0;
  return { kind, reads };
}

const all = (reads: number[], count: number) =>
  vi.waitFor(() => expect(reads.length).toBe(count), { timeout: 5_000, interval: 5 });
const length = (reads: number[]) => Math.max(...reads) - Math.min(...reads);

describe('WatchKind with pollOn', () => {
  it('polls immediately, once for wake-ups that arrive together', async () => {
    const { reads } = await open(3);
    version += 1;

    for (let time = 0; time < 50; time++) publish('plan-changed', [`plan ${time}`]);

    await all(reads, 3);
    expect(polls).toBe(1);
  });

  it('does not wake streams whose fingerprint is unchanged', async () => {
    const { reads } = await open(3);

    publish('plan-changed', ['a plan']);

    await vi.waitFor(() => expect(polls).toBe(1));
    expect(reads).toEqual([]);
  });
});

describe('WatchKind with spreadMs', () => {
  it.each<[string, () => void]>([
    ['found by a poll', () => publish('plan-changed', ['a plan'])],
    ['missed while the connection was away', () => reconnect()],
  ])('spreads the reads of many streams after a change %s, one read per stream', async (_, tell) => {
    const { reads } = await open(200);
    version += 1;

    tell();

    await all(reads, 200);
    expect(length(reads)).toBeGreaterThan(SPREAD_MS / 2);
    const busiest = Math.max(
      ...reads.map((at) => reads.filter((other) => other >= at && other < at + 60).length),
    );
    expect(busiest).toBeLessThan(100);
  });

  it('reads immediately, and only once, after a wake-up of its own id', async () => {
    const { reads } = await open(200);
    version += 1;
    publish('plan-changed', ['a plan']);
    await vi.waitFor(() => expect(polls).toBe(1));

    publish(
      'user-changed',
      Array.from({ length: 200 }, (_, id) => `${id}`),
    );

    await vi.waitFor(() => expect(reads.length).toBeGreaterThanOrEqual(200), { timeout: 300, interval: 5 });
    const quiet = performance.now() + SPREAD_MS;
    await vi.waitFor(() => expect(performance.now()).toBeGreaterThan(quiet), { timeout: 5_000 });
    // The poll has woken a few before.
    expect(reads.length).toBeLessThan(300);
  });

  it('leaves no timers behind after close()', async () => {
    const { kind, reads } = await open(200);
    version += 1;
    publish('plan-changed', ['a plan']);
    await vi.waitFor(() => expect(polls).toBe(1));

    watcher.close();

    expect(kind.size).toBe(0);
    expect(reads.length).toBeLessThan(100);
  });
});
