import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createPubSub, type PubSub } from '../../../src/platform/watch/pubsub.ts';
import { distinct } from '../../../src/platform/watch/stream.ts';
import { createWatcher, type Watcher, type WatcherOptions } from '../../../src/platform/watch/watch.ts';
import type { WatchKind } from '../../../src/platform/watch/watch-kind.ts';
import { type RedisProcess, startRedisProcess } from '../../support/redis-process.ts';

const POLL_MS = 100;
const NEVER = 3_600_000;
const log = pino({ level: 'silent' });

class Outage extends Error {}

/** The watched data: versions by id, and a record of reads and polls. */
class Rows {
  readonly versions = new Map<string, number>();
  readonly polls: string[][] = [];
  reads = 0;
  running = 0;
  mostRunning = 0;
  /** Awaited within each read and each poll. */
  delay: Promise<void> = Promise.resolve();

  change(id: string): number {
    const version = (this.versions.get(id) ?? 0) + 1;
    this.versions.set(id, version);
    return version;
  }

  read = async (id: string): Promise<number> => {
    this.reads += 1;
    await this.work();
    const version = this.versions.get(id);
    if (version === undefined) throw new Error('NOT_FOUND');
    return version;
  };

  fingerprints = async (ids: string[]): Promise<Map<string, string>> => {
    this.polls.push(ids);
    await this.work();
    const known = ids.filter((id) => this.versions.has(id));
    return new Map(known.map((id) => [id, String(this.versions.get(id))]));
  };

  private async work(): Promise<void> {
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    await this.delay;
    this.running -= 1;
  }
}

/** A promise, and a function that resolves it. */
function gate() {
  let open: () => void = () => undefined;
  const closed = new Promise<void>((resolve) => (open = resolve));
  return { closed, open };
}

/** Consumes all values, like a client. */
function collect<T>(source: AsyncIterable<T>) {
  const values: T[] = [];
  const ended = (async () => {
    for await (const value of source) values.push(value);
  })();
  ended.catch(() => undefined);
  return { values, ended };
}

describe('watch', () => {
  let redis: RedisProcess;
  let writer: PubSub;
  let listener: PubSub;
  let reconnects: number;
  let heard: number;
  let marks: number;
  let watchers: Watcher[];
  let rows: Rows;

  beforeAll(async () => {
    redis = await startRedisProcess();
  });
  beforeEach(async () => {
    rows = new Rows();
    watchers = [];
    reconnects = 0;
    heard = 0;
    marks = 0;
    writer = createPubSub({ url: redis.url, log });
    listener = createPubSub({ url: redis.url, log });
    listener.onReconnect(() => {
      reconnects += 1;
    });
    listener.onWake((topic) => {
      if (topic === 'mark') marks += 1;
      else heard += 1;
    });
    await connected(0);
  });
  afterEach(async () => {
    for (const watcher of watchers) watcher.close();
    await Promise.all([writer.close(), listener.close()]);
  });
  afterAll(() => redis.remove());

  /** Waits until both processes are subscribed and reach each other. */
  async function connected(before: number): Promise<void> {
    await vi.waitFor(() => expect(reconnects).toBeGreaterThan(before), 5_000);
    const silence = marks;
    await vi.waitFor(() => {
      writer.publish('mark', ['ping']);
      expect(marks).toBeGreaterThan(silence);
    }, 5_000);
  }

  function watcher(options: Partial<WatcherOptions> = {}): Watcher {
    const made = createWatcher({ pubSub: listener, log, pollMs: NEVER, ...options });
    watchers.push(made);
    return made;
  }
  const orders = (options: Partial<WatcherOptions> = {}): WatchKind =>
    watcher(options).kind({ topic: 'order-changed', fingerprints: rows.fingerprints });
  const watch = (kind: WatchKind, id: string) => kind.watch(id, () => rows.read(id));
  const changeAndPublish = (id: string) => {
    const version = rows.change(id);
    writer.publish('order-changed', [id]);
    return version;
  };
  const seen = (values: readonly number[], version: number) =>
    vi.waitFor(() => expect(values.at(-1)).toBe(version), { timeout: 5_000, interval: 5 });
  /** Waits for `count` polls of another kind. */
  async function polls(count: number): Promise<void> {
    let ticks = 0;
    const clock = watcher({ pollMs: POLL_MS }).kind({
      topic: 'clock',
      async fingerprints() {
        ticks += 1;
        return new Map();
      },
    });
    const stream = clock.watch('now', async () => 0);
    await stream.next();
    await vi.waitFor(() => expect(ticks).toBeGreaterThanOrEqual(count), 5_000);
    await stream.return();
  }

  it('emits the current value immediately, then each published change', async () => {
    rows.change('a');
    const { values } = collect(watch(orders(), 'a'));
    await seen(values, 1);

    changeAndPublish('a');
    await seen(values, 2);
    changeAndPublish('a');
    await seen(values, 3);

    expect(values).toEqual([1, 2, 3]);
  });

  it('ignores wake-ups of other ids and topics', async () => {
    rows.change('a');
    const { values } = collect(watch(orders(), 'a'));
    await seen(values, 1);

    writer.publish('order-changed', ['b', 'c']);
    writer.publish('user-changed', ['a']);
    changeAndPublish('a');

    await seen(values, 2);
    expect(rows.reads).toBe(2);
  });

  it('detects a change during the first read', async () => {
    rows.change('a');
    const kind = orders();
    const before = heard;
    const { values } = collect(
      kind.watch('a', async () => {
        const version = await rows.read('a');
        if (version === 1) {
          changeAndPublish('a');
          await vi.waitFor(() => expect(heard).toBeGreaterThan(before), 5_000);
        }
        return version;
      }),
    );

    await seen(values, 2);
  });

  it('reads once more after 1,000 wake-ups during a slow read', async () => {
    rows.change('a');
    const { values } = collect(watch(orders(), 'a'));
    await seen(values, 1);
    const slow = gate();
    rows.delay = slow.closed;
    changeAndPublish('a');
    await vi.waitFor(() => expect(rows.reads).toBe(2), 5_000);

    const before = heard;
    for (let index = 0; index < 1_000; index += 1) changeAndPublish('a');
    await vi.waitFor(() => expect(heard).toBe(before + 1_000), 5_000);
    slow.open();

    await vi.waitFor(() => expect(rows.reads).toBe(3), 5_000);
    const marked = changeAndPublish('a');
    await seen(values, marked);
    expect(rows.reads).toBe(4);
  });

  it('skips intermediate values for a slow consumer', async () => {
    rows.change('a');
    const stream = watch(orders(), 'a');
    expect(await stream.next()).toEqual({ done: false, value: 1 });

    const before = heard;
    for (let index = 0; index < 100; index += 1) changeAndPublish('a');
    await vi.waitFor(() => expect(heard).toBe(before + 100), 5_000);

    expect(await stream.next()).toEqual({ done: false, value: 101 });
    expect(rows.reads).toBe(2);
  });

  it('serves all streams of an id: early ones, late ones, and those that remain when others end', async () => {
    rows.change('a');
    const kind = orders();
    const [early, leaving] = [watch(kind, 'a'), watch(kind, 'a')];
    const [first, second] = [collect(early), collect(leaving)];
    await seen(first.values, 1);
    await seen(second.values, 1);
    changeAndPublish('a');
    await seen(first.values, 2);
    await seen(second.values, 2);

    await leaving.return();
    await second.ended;
    const late = collect(watch(kind, 'a'));
    await seen(late.values, 2);
    changeAndPublish('a');

    await seen(first.values, 3);
    await seen(late.values, 3);
    expect(late.values).toEqual([2, 3]);
    expect(second.values).toEqual([1, 2]);
  });

  it('completes and is removed after the last value', async () => {
    rows.change('a');
    const kind = orders();
    const { values, ended } = collect(
      kind.watch(
        'a',
        () => rows.read('a'),
        (version) => version === 2,
      ),
    );
    await seen(values, 1);

    changeAndPublish('a');
    await ended;

    expect(values).toEqual([1, 2]);
    expect(kind.size).toBe(0);
  });

  it('emits nothing for a wake-up without a change, behind distinct()', async () => {
    rows.change('a');
    const { values } = collect(distinct(watch(orders(), 'a')));
    await seen(values, 1);

    for (let reads = 2; reads < 5; reads += 1) {
      writer.publish('order-changed', ['a']);
      await vi.waitFor(() => expect(rows.reads).toBe(reads), 5_000);
    }
    changeAndPublish('a');

    await seen(values, 2);
    expect(values).toEqual([1, 2]);
  });

  describe('when pub/sub fails', () => {
    it('detects changes within one poll while Redis is unavailable', async () => {
      rows.change('a');
      const { values } = collect(watch(orders({ pollMs: POLL_MS }), 'a'));
      await vi.waitFor(() => expect(rows.polls.length).toBeGreaterThan(1), 5_000);
      await redis.kill();

      for (let round = 0; round < 5; round += 1) {
        const before = rows.polls.length;
        await seen(values, changeAndPublish('a'));
        expect(rows.polls.length - before).toBeLessThanOrEqual(2);
      }
      await redis.start();
    });

    it('detects an unpublished change between the first read and the first poll', async () => {
      rows.change('a');
      const { values } = collect(watch(orders({ pollMs: POLL_MS }), 'a'));
      await seen(values, 1);
      expect(rows.polls).toEqual([]);

      rows.change('a');

      await seen(values, 2);
    });

    it('reads once for a change that the poll has found, including a deletion', async () => {
      rows.change('a');
      rows.change('b');
      const kind = orders({ pollMs: POLL_MS });
      const [stays, goes] = [collect(watch(kind, 'a')), collect(watch(kind, 'b'))];
      await vi.waitFor(() => expect(rows.reads).toBe(4), 5_000); // each at first, and after its first poll
      await polls(3);
      expect(rows.reads).toBe(4);

      rows.versions.delete('b');

      await expect(goes.ended).rejects.toThrow('NOT_FOUND');
      expect(stays.values).toEqual([1, 1]);
    });

    it('wakes all streams after a reconnect, without a poll', async () => {
      const ids = Array.from({ length: 50 }, (_, index) => `id-${index}`);
      for (const id of ids) rows.change(id);
      const kind = orders();
      const all = ids.map((id) => collect(watch(kind, id)).values);
      await Promise.all(all.map((values) => seen(values, 1)));

      await redis.kill();
      for (const id of ids) changeAndPublish(id);
      await redis.start();

      await Promise.all(all.map((values) => seen(values, 2)));
      expect(rows.polls).toEqual([]);
    });

    it('misses no change when its connection is killed 20 times, without a poll', async () => {
      rows.change('a');
      const { values } = collect(watch(orders(), 'a'));
      await seen(values, 1);

      for (let round = 0; round < 20; round += 1) {
        const killing = redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
        await seen(values, changeAndPublish('a'));
        await killing;
        await seen(values, changeAndPublish('a'));
      }
    });

    it('detects changes within one poll while Redis hangs, and recovers afterwards', async () => {
      rows.change('a');
      const { values } = collect(watch(orders({ pollMs: POLL_MS }), 'a'));
      await vi.waitFor(() => expect(rows.polls.length).toBeGreaterThan(1), 5_000);

      redis.freeze();
      await seen(values, changeAndPublish('a'));
      redis.thaw();

      await connected(0);
      await seen(values, changeAndPublish('a'));
    });
  });

  describe('the poll', () => {
    it('queries once per interval for 1,000 streams, with each id once', async () => {
      const kind = orders({ pollMs: POLL_MS });
      for (let index = 0; index < 1_000; index += 1) {
        const id = `id-${index % 900}`;
        rows.versions.set(id, 1);
        collect(watch(kind, id));
      }
      await vi.waitFor(() => expect(kind.size).toBe(1_000), 5_000);
      const [startedAt, before] = [performance.now(), rows.polls.length];

      await vi.waitFor(() => expect(rows.polls.length).toBeGreaterThanOrEqual(before + 5), 5_000);

      expect(rows.polls.length - before).toBeLessThanOrEqual((performance.now() - startedAt) / POLL_MS + 1);
      for (const ids of rows.polls) expect(ids).toHaveLength(900);
      expect(new Set(rows.polls.at(-1)).size).toBe(900);
    });

    it('queries at most 5,000 ids at a time', async () => {
      const kind = orders({ pollMs: POLL_MS });
      for (let index = 0; index < 12_000; index += 1) {
        rows.versions.set(`id-${index}`, 1);
        collect(watch(kind, `id-${index}`));
      }

      await vi.waitFor(() => expect(rows.polls.length).toBeGreaterThanOrEqual(3), 5_000);

      expect(rows.polls.slice(0, 3).map((ids) => ids.length)).toEqual([5_000, 5_000, 2_000]);
      expect(new Set(rows.polls.slice(0, 3).flat()).size).toBe(12_000);
    });

    it('never runs two polls concurrently', async () => {
      rows.change('a');
      const { values } = collect(watch(orders({ pollMs: POLL_MS / 5 }), 'a'));
      await seen(values, 1);
      const slow = gate();
      rows.delay = slow.closed;
      const before = rows.polls.length;
      await vi.waitFor(() => expect(rows.polls.length).toBe(before + 1), 5_000);

      await polls(2); // ten of its own intervals
      expect(rows.polls.length).toBe(before + 1);

      slow.open();
      await seen(values, rows.change('a'));
    });

    it('continues after failures', async () => {
      rows.change('a');
      let failures = 0;
      const kind = watcher({ pollMs: POLL_MS }).kind({
        topic: 'order-changed',
        async fingerprints(ids) {
          if (failures >= 3) return rows.fingerprints(ids);
          failures += 1;
          throw new Outage('the database is unavailable');
        },
      });
      const { values } = collect(watch(kind, 'a'));
      await seen(values, 1);

      rows.change('a');

      await seen(values, 2);
      expect(failures).toBe(3);
    });
  });

  describe('when a read fails', () => {
    const isTransient = (error: unknown) => error instanceof Outage;

    it('fails with the error of the first read, even a transient one, as does open()', async () => {
      const kind = orders({ isTransient });
      await expect(watch(kind, 'missing').next()).rejects.toThrow('NOT_FOUND');
      await expect(kind.open('missing', () => rows.read('missing'))).rejects.toThrow('NOT_FOUND');
      await expect(kind.open('a', () => Promise.reject(new Outage('away')))).rejects.toThrow('away');
      expect(kind.size).toBe(0);
    });

    it('emits the value that open() has read, then later changes', async () => {
      rows.change('a');
      const stream = await orders().open('a', () => rows.read('a'));
      expect(rows.reads).toBe(1);

      const { values } = collect(stream);
      await seen(values, 1);
      changeAndPublish('a');

      await seen(values, 2);
      expect(values).toEqual([1, 2]);
    });

    it('completes after the value that open() has read, if it is the last', async () => {
      rows.change('a');
      const kind = orders();
      const { values, ended } = collect(
        await kind.open(
          'a',
          () => rows.read('a'),
          () => true,
        ),
      );
      await ended;
      expect(values).toEqual([1]);
      expect(kind.size).toBe(0);
    });

    it('survives an outage: the next successful poll retries the read, even without another change', async () => {
      rows.change('a');
      let isAway = false;
      const kind = orders({ pollMs: POLL_MS, isTransient });
      const { values } = collect(
        kind.watch('a', () => (isAway ? Promise.reject(new Outage('away')) : rows.read('a'))),
      );
      await vi.waitFor(() => expect(rows.polls.length).toBeGreaterThan(1), 5_000);
      isAway = true;
      const version = changeAndPublish('a');
      await polls(2);
      expect(values.at(-1)).toBe(version - 1);

      isAway = false;

      await seen(values, version);
    });

    it('fails with a non-transient error of a later read', async () => {
      rows.change('a');
      const kind = orders({ isTransient });
      const { values, ended } = collect(watch(kind, 'a'));
      await seen(values, 1);

      rows.versions.delete('a');
      writer.publish('order-changed', ['a']);

      await expect(ended).rejects.toThrow('NOT_FOUND');
      expect(kind.size).toBe(0);
    });

    it('fails when isLast throws', async () => {
      rows.change('a');
      const { ended } = collect(
        orders().watch(
          'a',
          () => rows.read('a'),
          () => {
            throw new Error('a bug');
          },
        ),
      );
      await expect(ended).rejects.toThrow('a bug');
    });
  });

  it('releases all resources when its consumers leave while next() is pending', async () => {
    rows.change('a');
    const [started, stopped] = [vi.spyOn(globalThis, 'setInterval'), vi.spyOn(globalThis, 'clearInterval')];
    const kind = orders({ pollMs: POLL_MS });
    const streams = Array.from({ length: 100 }, () => watch(kind, 'a'));
    for (const stream of streams) await stream.next();
    const timers = started.mock.results.filter((_result, call) => started.mock.calls[call]?.[1] === POLL_MS);
    for (const stream of streams) await stream.next(); // after the first poll
    const waiting = streams.map((stream) => stream.next());
    expect(kind.size).toBe(100);

    await Promise.all(streams.map((stream) => stream.return()));

    for (const result of await Promise.all(waiting)) expect(result).toEqual({ done: true, value: undefined });
    expect(kind.size).toBe(0);
    expect(timers).toHaveLength(1);
    expect(stopped).toHaveBeenCalledWith(timers[0]?.value);
    vi.restoreAllMocks();
    const { reads, polls: asked } = rows;
    const before = asked.length;
    writer.publish('order-changed', ['a']);
    await polls(3);
    expect(rows.polls.length).toBe(before);
    expect(rows.reads).toBe(reads);
  });

  it('neither listens nor polls for a stream before its first next()', async () => {
    const kind = orders({ pollMs: POLL_MS });
    const stream = watch(kind, 'a');
    await polls(3);
    await stream.return();
    expect(await stream.next()).toEqual({ done: true, value: undefined });
    expect(rows.reads + rows.polls.length + kind.size).toBe(0);
  });

  it('ends immediately when its consumer leaves during a hanging read', async () => {
    rows.change('a');
    const kind = orders();
    rows.delay = new Promise(() => undefined);
    const stream = watch(kind, 'a');
    const waiting = stream.next();
    await vi.waitFor(() => expect(rows.reads).toBe(1), 5_000);

    await stream.return();

    expect(await waiting).toEqual({ done: true, value: undefined });
    expect(kind.size).toBe(0);
  });

  it('resolves concurrent next() calls in order', async () => {
    rows.change('a');
    const stream = watch(orders(), 'a');
    const [first, second] = [stream.next(), stream.next()];
    expect(await first).toEqual({ done: false, value: 1 });

    changeAndPublish('a');

    expect(await second).toEqual({ done: false, value: 2 });
    expect(rows.reads).toBe(2);
  });

  it('runs at most 16 reads concurrently when all streams are woken', async () => {
    const kind = orders();
    const all = Array.from({ length: 100 }, (_, index) => {
      rows.change(`id-${index}`);
      return collect(watch(kind, `id-${index}`)).values;
    });
    await Promise.all(all.map((values) => seen(values, 1)));
    const slow = gate();
    rows.delay = slow.closed;
    rows.mostRunning = 0;

    for (let index = 0; index < 100; index += 1) changeAndPublish(`id-${index}`);
    await vi.waitFor(() => expect(rows.running).toBe(16), 5_000);
    slow.open();

    await Promise.all(all.map((values) => seen(values, 2)));
    expect(rows.mostRunning).toBe(16);
  });

  it('completes all streams when it closes, and later ones immediately', async () => {
    rows.change('a');
    const made = watcher({ pollMs: POLL_MS });
    const kind = made.kind({ topic: 'order-changed', fingerprints: rows.fingerprints });
    const { values, ended } = collect(watch(kind, 'a'));
    await seen(values, 1);

    made.close();
    await ended;

    expect(kind.size).toBe(0);
    expect(await watch(kind, 'a').next()).toEqual({ done: true, value: undefined });
  });
});
