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

  /** One process of the deployment, with all that wakes it. */
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
  /** Once this has arrived, everything published before it has, too. */
  const hear = async (listener: Process, publisher: Process, mark: string) => {
    await vi.waitFor(() => {
      publisher.pubSub.publish('mark', [mark]);
      expect(listener.wakes).toContainEqual(['mark', [mark]]);
    }, 5_000);
  };
  const wakesButMarks = ({ wakes }: Process) => wakes.filter(([topic]) => topic !== 'mark');
  const both = async (channel?: string) => {
    const [one, other] = [join(channel), join(channel)];
    await Promise.all([listening(one), listening(other)]);
    await hear(one, other, 'start');
    await hear(other, one, 'start');
    return [one, other] as const;
  };

  it('wakes another process with all ids at once, each of them once', async () => {
    const [one, other] = await both();

    one.pubSub.publish('order-changed', ['a', 'b', 'a']);

    await hear(other, one, 'end');
    expect(wakesButMarks(other)).toEqual([['order-changed', ['a', 'b']]]);
  });

  it('wakes its own process before it returns, and only once', async () => {
    const [one, other] = await both();

    one.pubSub.publish('order-changed', ['a']);

    expect(wakesButMarks(one)).toEqual([['order-changed', ['a']]]);
    await hear(other, one, 'there');
    await hear(one, other, 'and back');
    expect(wakesButMarks(one)).toEqual([['order-changed', ['a']]]);
  });

  it('says many ids in messages of at most 1,000, and nothing for none', async () => {
    const [one, other] = await both();
    const ids = Array.from({ length: 2_500 }, (_, index) => `id-${index}`);

    one.pubSub.publish('order-changed', []);
    one.pubSub.publish('order-changed', ids);

    await hear(other, one, 'end');
    expect(wakesButMarks(other).map(([, some]) => some.length)).toEqual([1_000, 1_000, 500]);
    expect(wakesButMarks(other).flatMap(([, some]) => some)).toEqual(ids);
    expect(wakesButMarks(one)).toHaveLength(1);
  });

  it('keeps deployments with different channels apart', async () => {
    const [one, other] = await both();
    const [stranger] = await both('another');

    stranger.pubSub.publish('order-changed', ['a']);
    one.pubSub.publish('order-changed', ['b']);

    await hear(other, one, 'end');
    expect(wakesButMarks(other)).toEqual([['order-changed', ['b']]]);
    expect(wakesButMarks(stranger)).toEqual([['order-changed', ['a']]]);
  });

  it('ignores what others say on its channel', async () => {
    const [one, other] = await both('shared');

    for (const text of ['no json', '{"topic":"order-changed"}', '[]', '{"from":"x","topic":"t","ids":[1]}']) {
      await redis.call('PUBLISH', 'shared', text);
    }

    await hear(other, one, 'end');
    expect(wakesButMarks(other)).toEqual([]);
    expect(logged.join()).toContain('ignored an invalid pub/sub message');
  });

  it('wakes its own process while Redis is away, and says so in one line', async () => {
    const [one] = await both();
    expect(logged).toEqual([]);
    await redis.kill();

    for (let index = 0; index < 100; index += 1) one.pubSub.publish('order-changed', [`${index}`]);

    expect(wakesButMarks(one)).toHaveLength(100);
    await vi.waitFor(() => expect(logged.join('')).toContain('"purpose":"publishing"'), 5_000);
    expect(logged.filter((line) => line.includes('"purpose":"publishing"')).length).toBeLessThanOrEqual(2); // two processes
    await redis.start();
  });

  it('comes back by itself when Redis does, and says that messages may have been missed', async () => {
    const [one, other] = await both();
    const before = other.reconnects;

    await redis.kill();
    await redis.start();

    await vi.waitFor(() => expect(other.reconnects).toBeGreaterThan(before), 5_000);
    await hear(other, one, 'again');
    await hear(one, other, 'again');
  });

  it('says so only when it really listens, and tries until it may', async () => {
    const [one, other] = await both();
    const before = other.reconnects;

    await redis.call('ACL', 'SETUSER', 'default', 'resetchannels'); // Redis throws out who listens already
    await vi.waitFor(() => expect(logged.join('')).toContain('NOPERM'), 5_000);
    expect(other.reconnects).toBe(before);
    await redis.call('ACL', 'SETUSER', 'default', 'allchannels');

    await vi.waitFor(() => expect(other.reconnects).toBeGreaterThan(before), 5_000);
    await hear(other, one, 'allowed');
  });

  it('connects when Redis comes later than itself', async () => {
    await redis.kill();
    const [one, other] = [join(), join()];

    await redis.start();

    await Promise.all([listening(one), listening(other)]);
    await hear(other, one, 'at last');
  });

  it('says of each of 20 lost connections that it has been lost', async () => {
    const [one, other] = await both();

    for (let round = 0; round < 20; round += 1) {
      const before = other.reconnects;
      await redis.call('CLIENT', 'KILL', 'TYPE', 'pubsub');
      await vi.waitFor(() => expect(other.reconnects).toBeGreaterThan(before), 5_000);
      one.pubSub.publish('order-changed', [`${round}`]);
    }

    await hear(other, one, 'end');
    expect(wakesButMarks(other).map(([, [id]]) => id)).toEqual(
      Array.from({ length: 20 }, (_, round) => `${round}`),
    );
  });

  it('neither waits for a frozen Redis nor loses it for good', async () => {
    const [one, other] = await both();
    redis.freeze();

    const startedAt = performance.now();
    one.pubSub.publish('order-changed', ['a']);
    expect(performance.now() - startedAt).toBeLessThan(400);
    await vi.waitFor(() => expect(logged.join('')).toContain('"purpose":"publishing"'), 5_000);

    redis.thaw();
    await hear(other, one, 'thawed');
  });

  it('notices a connection that died without a word', async () => {
    const [one, other] = await both();
    const before = other.reconnects;

    redis.freeze();
    await vi.waitFor(() => expect(logged.join('')).toContain('"purpose":"listening"'), {
      timeout: 12_000,
      interval: 100,
    });
    redis.thaw();

    await vi.waitFor(() => expect(other.reconnects).toBeGreaterThan(before), 5_000);
    await hear(other, one, 'thawed');
  });

  it('leaves no connection and no listener behind, also when Redis hangs', async () => {
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
      expect(clients).toHaveLength(1); // the one that asks
    });
  });
});
