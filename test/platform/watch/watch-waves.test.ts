import { setTimeout } from 'node:timers/promises';
import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { PubSub } from '../../../src/platform/watch/pubsub.ts';
import { createWatcher, type Watcher } from '../../../src/platform/watch/watch.ts';

const NEVER = 3_600_000;
const READ_MS = 10;
/** Streams that read together. */
const WAVE = 32;

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

/** Opens streams, waits for their first read and first poll, and records each later read by id. */
async function open(count: number, fails: (id: string) => boolean = () => false) {
  const kind = watcher.kind({
    ...{ topic: 'user-changed', pollOn: 'plan-changed', maxReads: count },
    fingerprints: async (ids) => {
      polls += 1;
      return new Map(ids.map((id) => [id, String(version)]));
    },
  });
  const reads: string[] = [];
  const finished: string[] = [];
  let [current, most] = [0, 0];
  const read = async (id: string) => {
    reads.push(id);
    most = Math.max(most, ++current);
    await setTimeout(READ_MS);
    current -= 1;
    finished.push(id);
    if (fails(id)) throw new Error('failed');
    return id;
  };
  for (let stream = 0; stream < count; stream++)
    void consume(kind.watch(`${stream}`, () => read(`${stream}`)));
  await all(finished, count);
  publish('plan-changed', ['a plan']);
  await all(finished, 2 * count);
  for (const list of [reads, finished]) list.length = 0;
  [polls, most] = [0, 0];
  return { kind, reads, finished, most: () => most };
}

async function consume(stream: AsyncIterable<string>): Promise<void> {
  try {
    for await (const _ of stream);
  } catch {
    // A read failed on purpose.
  }
}

const all = (reads: string[], count: number) =>
  vi.waitFor(() => expect(reads.length).toBe(count), { timeout: 5_000, interval: 5 });

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

describe('WatchKind, when one change concerns many streams', () => {
  it.each<[string, () => void]>([
    ['found by a poll', () => publish('plan-changed', ['a plan'])],
    ['missed while the connection was away', () => reconnect()],
  ])('reads in waves after a change %s, once per stream', async (_, tell) => {
    const { reads, most } = await open(200);
    version += 1;

    tell();

    await all(reads, 200);
    expect(most()).toBe(WAVE);
    await setTimeout(100);
    expect(reads).toHaveLength(200);
  });

  it('reads a stream immediately that is woken by its own id, and then not again', async () => {
    const { reads, finished } = await open(200);
    version += 1;
    publish('plan-changed', ['a plan']);
    await vi.waitFor(() => expect(reads.length).toBeGreaterThan(0));

    publish('user-changed', ['199']);

    expect(reads.at(-1)).toBe('199');
    await all(finished, 200);
    expect(reads.filter((id) => id === '199')).toHaveLength(1);
  });

  it('goes on after a read that fails', async () => {
    const { reads } = await open(200, (id) => id === '5' && version > 1);
    version += 1;

    publish('plan-changed', ['a plan']);

    await all(reads, 200);
  });

  it('reads nothing more after close()', async () => {
    const { kind, reads } = await open(200);
    version += 1;
    publish('plan-changed', ['a plan']);
    await vi.waitFor(() => expect(reads.length).toBeGreaterThan(0));

    watcher.close();

    expect(kind.size).toBe(0);
    await setTimeout(100);
    expect(reads.length).toBeLessThanOrEqual(2 * WAVE);
  });
});
