import { pino } from 'pino';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { createPubSub, type PubSub } from '../../../src/platform/watch/pubsub.ts';
import { type RedisProcess, startRedisProcess } from '../../support/redis-process.ts';

describe('createPubSub', () => {
  let redis: RedisProcess;
  let opened: PubSub[];
  let logged: string[];

  beforeAll(async () => {
    redis = await startRedisProcess();
  });
  beforeEach(() => {
    opened = [];
    logged = [];
  });
  afterEach(async () => {
    await Promise.all(opened.map((pubSub) => pubSub.close()));
  });
  afterAll(() => redis.remove());

  /** One process of the deployment, with the wake-ups that it has received. */
  function join(channel?: string) {
    const log = pino({ level: 'warn' }, { write: (line: string) => void logged.push(line) });
    const pubSub = createPubSub({ url: redis.url, log, ...(channel ? { channel } : {}) });
    opened.push(pubSub);
    const wakes: Array<[string, readonly string[]]> = [];
    const process = { pubSub, wakes, reconnects: 0 };
    pubSub.onWake((topic, ids) => wakes.push([topic, ids]));
    pubSub.onReconnect(() => {
      process.reconnects += 1;
    });
    return process;
  }
  type Process = ReturnType<typeof join>;
  const listening = (process: Process) =>
    vi.waitFor(() => expect(process.reconnects).toBeGreaterThan(0), 5_000);
  /** Waits for a mark, after which everything that was published before it has arrived. */
  const receive = async (listener: Process, publisher: Process, mark: string) => {
    await vi.waitFor(() => {
      publisher.pubSub.publish('mark', [mark]);
      expect(listener.wakes).toContainEqual(['mark', [mark]]);
    }, 5_000);
  };
  const wakesButMarks = ({ wakes }: Process) => wakes.filter(([topic]) => topic !== 'mark');
  const both = async (channel?: string) => {
    const [one, other] = [join(channel), join(channel)];
    await Promise.all([listening(one), listening(other)]);
    await receive(one, other, 'start');
    await receive(other, one, 'start');
    return [one, other] as const;
  };

  it('wakes another process once with all ids, without duplicates', async () => {
    const [one, other] = await both();

    one.pubSub.publish('order-changed', ['a', 'b', 'a']);

    await receive(other, one, 'end');
    expect(wakesButMarks(other)).toEqual([['order-changed', ['a', 'b']]]);
  });

  it('wakes its own process synchronously, and only once', async () => {
    const [one, other] = await both();

    one.pubSub.publish('order-changed', ['a']);

    expect(wakesButMarks(one)).toEqual([['order-changed', ['a']]]);
    await receive(other, one, 'there');
    await receive(one, other, 'and back');
    expect(wakesButMarks(one)).toEqual([['order-changed', ['a']]]);
  });

  it('splits ids into messages of at most 1,000, and sends none without ids', async () => {
    const [one, other] = await both();
    const ids = Array.from({ length: 2_500 }, (_, index) => `id-${index}`);

    one.pubSub.publish('order-changed', []);
    one.pubSub.publish('order-changed', ids);

    await receive(other, one, 'end');
    expect(wakesButMarks(other).map(([, some]) => some.length)).toEqual([1_000, 1_000, 500]);
    expect(wakesButMarks(other).flatMap(([, some]) => some)).toEqual(ids);
    expect(wakesButMarks(one)).toHaveLength(1);
  });

  it('separates deployments that use different channels', async () => {
    const [one, other] = await both();
    const [stranger] = await both('another');

    stranger.pubSub.publish('order-changed', ['a']);
    one.pubSub.publish('order-changed', ['b']);

    await receive(other, one, 'end');
    expect(wakesButMarks(other)).toEqual([['order-changed', ['b']]]);
    expect(wakesButMarks(stranger)).toEqual([['order-changed', ['a']]]);
  });

  it('ignores and logs foreign messages on its channel', async () => {
    const [one, other] = await both('shared');

    for (const text of ['no json', '{"topic":"order-changed"}', '[]', '{"from":"x","topic":"t","ids":[1]}']) {
      await redis.call('PUBLISH', 'shared', text);
    }

    await receive(other, one, 'end');
    expect(wakesButMarks(other)).toEqual([]);
    expect(logged.join()).toContain('ignored an invalid pub/sub message');
  });

  it('wakes its own process while Redis is unavailable, and logs one line per outage', async () => {
    const [one] = await both();
    expect(logged).toEqual([]);
    await redis.kill();

    for (let index = 0; index < 100; index += 1) one.pubSub.publish('order-changed', [`${index}`]);

    expect(wakesButMarks(one)).toHaveLength(100);
    await vi.waitFor(() => expect(logged.join('')).toContain('"purpose":"publishing"'), 5_000);
    expect(logged.filter((line) => line.includes('"purpose":"publishing"')).length).toBeLessThanOrEqual(2); // two processes
    await redis.start();
  });

  it('reconnects by itself, and reports that messages may have been missed', async () => {
    const [one, other] = await both();
    const before = other.reconnects;

    await redis.kill();
    await redis.start();

    await vi.waitFor(() => expect(other.reconnects).toBeGreaterThan(before), 5_000);
    await receive(other, one, 'again');
    await receive(one, other, 'again');
  });

  it('reports a reconnect only once it is subscribed, and retries until Redis permits it', async () => {
    const [one, other] = await both();
    const before = other.reconnects;

    await redis.call('ACL', 'SETUSER', 'default', 'resetchannels'); // Redis disconnects existing subscribers
    await vi.waitFor(() => expect(logged.join('')).toContain('NOPERM'), 5_000);
    expect(other.reconnects).toBe(before);
    await redis.call('ACL', 'SETUSER', 'default', 'allchannels');

    await vi.waitFor(() => expect(other.reconnects).toBeGreaterThan(before), 5_000);
    await receive(other, one, 'allowed');
  });

  it('connects to a Redis that starts later', async () => {
    await redis.kill();
    const [one, other] = [join(), join()];

    await redis.start();

    await Promise.all([listening(one), listening(other)]);
    await receive(other, one, 'at last');
  });

  it('reports a reconnect for each of 20 lost connections', async () => {
    const [one, other] = await both();

    for (let round = 0; round < 20; round += 1) {
      const before = other.reconnects;
      await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await vi.waitFor(() => expect(other.reconnects).toBeGreaterThan(before), 5_000);
      one.pubSub.publish('order-changed', [`${round}`]);
    }

    await receive(other, one, 'end');
    expect(wakesButMarks(other).map(([, [id]]) => id)).toEqual(
      Array.from({ length: 20 }, (_, round) => `${round}`),
    );
  });

  it('does not wait for a frozen Redis, and recovers afterwards', async () => {
    const [one, other] = await both();
    redis.freeze();

    const startedAt = performance.now();
    one.pubSub.publish('order-changed', ['a']);
    expect(performance.now() - startedAt).toBeLessThan(400);
    await vi.waitFor(() => expect(logged.join('')).toContain('"purpose":"publishing"'), 5_000);

    redis.thaw();
    await receive(other, one, 'thawed');
  });

  it('detects a dead connection by its heartbeat', async () => {
    const [one, other] = await both();
    const before = other.reconnects;

    redis.freeze();
    await vi.waitFor(() => expect(logged.join('')).toContain('"purpose":"listening"'), {
      timeout: 12_000,
      interval: 100,
    });
    redis.thaw();

    await vi.waitFor(() => expect(other.reconnects).toBeGreaterThan(before), 5_000);
    await receive(other, one, 'thawed');
  });

  it('close() removes all connections and listeners, even while Redis hangs', async () => {
    const [one, other] = await both();
    await one.pubSub.close();
    one.pubSub.publish('order-changed', ['a']);
    expect(wakesButMarks(one)).toEqual([]);
    redis.freeze();

    const startedAt = performance.now();
    await other.pubSub.close();
    expect(performance.now() - startedAt).toBeLessThan(1_000);

    redis.thaw();
    await vi.waitFor(async () => {
      const clients = String(await redis.call('CLIENT', 'LIST'))
        .trim()
        .split('\n');
      expect(clients).toHaveLength(1); // the connection of this command
    });
  });
});
