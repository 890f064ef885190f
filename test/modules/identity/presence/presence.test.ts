import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import type { Prisma } from '../../../../src/generated/prisma/client.ts';
import type { OnlineDevice } from '../../../../src/modules/identity/presence/device-stays.ts';
import { createPresence, type Presence } from '../../../../src/modules/identity/presence/presence.ts';
import { DEVICE_DISPLACED, USER_CHANGED } from '../../../../src/modules/kernel/topics.ts';
import { createRedis } from '../../../../src/platform/redis/redis.ts';
import { reportEnd, reportProcess } from '../../../../src/platform/service-processes.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import type { PubSub } from '../../../../src/platform/watch/pubsub.ts';
import {
  buildDevice,
  buildDeviceStay,
  buildPlan,
  buildSubscription,
  buildUser,
} from '../../../support/factories.ts';
import { newProcess } from '../../../support/own-process.ts';
import { createTestServices } from '../../../support/services.ts';

let services: RunningServices;
/** Two instances of the API. */
let here: Presence;
let there: Presence;
const NO_WAKE_UPS = {
  publish: (topic: string, ids: readonly string[]) => services.pubSub.publish(topic, ids),
  onWake: () => () => {},
  onReconnect: () => () => {},
} as unknown as PubSub;
/** Collects warnings: unless a test provokes a failure, there must be none. */
const warn = vi.fn();
beforeAll(async () => {
  services = await createTestServices();
  const log = { ...services.log, warn } as unknown as RunningServices['log'];
  here = createPresence({ ...services, log });
  there = createPresence({ ...services, log });
});
afterEach(() => expect(warn).not.toHaveBeenCalled());
afterAll(async () => {
  await Promise.all([here.close(), there.close()]);
  await services.close();
});

/** Creates an account with `devices` devices and a live subscription for each of the limits. */
async function newAccount(devices: number, ...deviceLimits: (number | null)[]): Promise<OnlineDevice[]> {
  const { db } = services;
  const { id: userId } = await buildUser(db);
  for (const deviceLimit of deviceLimits) {
    const { id: planId } = await buildPlan(db, { deviceLimit });
    await buildSubscription(db, { userId, planId });
  }
  const rows = await Promise.all(Array.from({ length: devices }, () => buildDevice(db, { userId })));
  return rows.map(({ id: deviceId }) => ({ userId, deviceId }));
}

async function newDevice(...deviceLimits: (number | null)[]): Promise<OnlineDevice> {
  const [device] = await newAccount(1, ...deviceLimits);
  if (!device) throw new Error('no device');
  return device;
}

/** Connects a socket of the device at an instance. */
async function connect(instance: Presence, device: OnlineDevice) {
  const displaced = vi.fn();
  const close = await instance.connect(device, { displaced });
  return { displaced, close };
}

const staysOf = ({ deviceId }: OnlineDevice) =>
  services.db.deviceStay.findMany({ where: { deviceId }, orderBy: { startedAt: 'asc' } });
const ended = (device: OnlineDevice) =>
  vi.waitFor(async () => expect((await staysOf(device)).filter(({ endedAt }) => !endedAt)).toEqual([]));
const offline = (device: OnlineDevice) =>
  vi.waitFor(async () => expect(await here.isOnline(device)).toBe(false));
const secondsAgo = (seconds: number) => new Date(Date.now() - seconds * 1_000);

describe('Presence', () => {
  it('reports a device online at every instance while it has a socket, and records the interval', async () => {
    const device = await newDevice();
    expect(await there.isOnline(device)).toBe(false);

    const { close } = await connect(here, device);
    expect(await here.isOnline(device)).toBe(true);
    expect(await there.isOnline(device)).toBe(true);
    expect(await staysOf(device)).toMatchObject([{ userId: device.userId, endedAt: null }]);

    close();
    await offline(device);
    await ended(device);
    expect(await staysOf(device)).toHaveLength(1);
  });

  it('keeps a device with two sockets online until both have closed, at one instance or at two', async () => {
    for (const instance of [here, there]) {
      const device = await newDevice();
      const [first, second] = [await connect(here, device), await connect(instance, device)];

      first.close();
      await connect(here, await newDevice());
      expect(await here.isOnline(device)).toBe(true);
      expect(await staysOf(device)).toMatchObject([{ endedAt: null }]);

      second.close();
      await offline(device);
      await ended(device);
      expect(await staysOf(device)).toHaveLength(1);
    }
  });

  it('writes nothing to PostgreSQL while a device stays connected', async () => {
    const device = await newDevice();
    const version = () =>
      services.db.$queryRaw`SELECT xmin::text FROM device_stays WHERE device_id = ${device.deviceId}::uuid`;
    const { close } = await connect(here, device);
    const connected = await version();
    await services.redis.del(`presence:${device.userId}`);

    services.pubSub.publish(DEVICE_DISPLACED, [`${device.userId}:${device.deviceId}`]);
    await vi.waitFor(async () => expect(await here.isOnline(device)).toBe(true));
    await connect(here, await newDevice());

    expect(await version()).toEqual(connected);
    close();
  });

  it('takes over the interval of a process that has ended', async () => {
    const { db, processId } = services;
    const device = await newDevice();
    const { close } = await connect(here, device);
    const ended = newProcess('api');
    await reportProcess(services, ended);
    await db.deviceStay.updateMany({ where: { deviceId: device.deviceId }, data: { processId: ended.id } });
    await reportEnd(services, ended);

    services.pubSub.publish(DEVICE_DISPLACED, [`${device.userId}:${device.deviceId}`]);

    await vi.waitFor(async () => expect(await staysOf(device)).toMatchObject([{ processId, endedAt: null }]));
    close();
  });

  it('ignores the second of two disconnects of the same socket', async () => {
    const device = await newDevice();
    const [first, second] = [await connect(here, device), await connect(here, device)];

    first.close();
    first.close();
    await connect(here, await newDevice());

    expect(await here.isOnline(device)).toBe(true);
    second.close();
    await offline(device);
  });

  it('continues the interval of a device that reconnects within a minute, and starts a new one later', async () => {
    const { db } = services;
    for (const [seconds, count] of [
      [59, 1],
      [61, 2],
    ] as const) {
      const device = await newDevice();
      const times = {
        startedAt: secondsAgo(90),
        lastSeenAt: secondsAgo(seconds),
        endedAt: secondsAgo(seconds),
      };
      const { id } = await buildDeviceStay(db, { ...device, ...times });

      const { close } = await connect(here, device);

      const stays = await staysOf(device);
      expect(stays).toHaveLength(count);
      expect(stays.filter(({ endedAt }) => !endedAt)).toHaveLength(1);
      if (count === 1) expect(stays).toMatchObject([{ id, startedAt: times.startedAt }]);
      close();
    }
  });

  it('does not continue an interval of the account that the device was bound to before', async () => {
    const device = await newDevice();
    const { id: formerId } = await buildUser(services.db);
    const times = { startedAt: secondsAgo(90), lastSeenAt: secondsAgo(5), endedAt: secondsAgo(5) };
    await buildDeviceStay(services.db, { ...device, userId: formerId, ...times });

    const { close } = await connect(here, device);

    expect(await staysOf(device)).toMatchObject([
      { userId: formerId, endedAt: times.endedAt },
      { userId: device.userId, endedAt: null },
    ]);
    close();
  });

  it('connects the other devices of a group in which one was deleted', async () => {
    const [deleted, device] = [await newDevice(), await newDevice()];
    await services.db.device.delete({ where: { id: deleted.deviceId } });

    const sockets = await Promise.all([connect(here, deleted), connect(here, device)]);

    expect(await staysOf(device)).toMatchObject([{ endedAt: null }]);
    for (const { close } of sockets) close();
  });

  it('records one interval for a device that reconnects a hundred times at two instances', async () => {
    const device = await newDevice();
    await Promise.all(
      Array.from({ length: 100 }, async (_, index) => {
        const { close } = await connect(index % 2 === 0 ? here : there, device);
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 20));
        close();
      }),
    );
    const last = await connect(there, device);

    expect(await staysOf(device)).toHaveLength(1);
    expect(await here.isOnline(device)).toBe(true);
    last.close();
    await offline(device);
    await ended(device);
    expect(await staysOf(device)).toHaveLength(1);
  });

  it('does not restore a device that disconnects during a heartbeat', async () => {
    const { db } = services;
    const queried = vi.fn();
    const $queryRaw = async (...query: Parameters<typeof db.$queryRaw>) => {
      queried();
      await new Promise((resolve) => setTimeout(resolve, 100));
      return db.$queryRaw(...query);
    };
    const $executeRaw = (...command: Parameters<typeof db.$executeRaw>) => db.$executeRaw(...command);
    const slowDatabase = { $queryRaw, $executeRaw } as unknown as RunningServices['db'];
    const slow = createPresence({ ...services, db: slowDatabase });
    const device = await newDevice();
    const { close } = await connect(slow, device);
    queried.mockClear();

    // A displacement message triggers an immediate heartbeat.
    services.pubSub.publish(DEVICE_DISPLACED, [`${device.userId}:${device.deviceId}`]);
    await vi.waitFor(() => expect(queried).toHaveBeenCalledOnce(), { interval: 1 });
    close();
    await slow.close();
    // Longer than two queries take.
    await new Promise((resolve) => setTimeout(resolve, 300));

    expect(await staysOf(device)).toMatchObject([{ endedAt: expect.any(Date) }]);
    expect(await here.isOnline(device)).toBe(false);
  });

  it('records one interval for a device that connects to two instances concurrently', async () => {
    const devices = await newAccount(20);

    const sockets = await Promise.all(
      devices.flatMap((device) => [connect(here, device), connect(there, device)]),
    );

    for (const device of devices) expect(await staysOf(device)).toMatchObject([{ endedAt: null }]);
    for (const { close } of sockets) close();
    await Promise.all(devices.map(ended));
  });

  it('restores a lost device with its age on the next heartbeat, and reopens its interval', async () => {
    const [first, second, third] = await newAccount(3, 2);
    if (!first || !second || !third) throw new Error('too few devices');
    const sockets = [await connect(here, first), await connect(there, second)];
    const { userId } = first;
    await services.redis.del(`presence:${userId}`);
    await services.db.deviceStay.updateMany({ where: { userId }, data: { endedAt: new Date() } });
    expect(await here.isOnline(first)).toBe(false);

    for (const { deviceId } of [second, first]) {
      services.pubSub.publish(DEVICE_DISPLACED, [`${userId}:${deviceId}`]);
      await vi.waitFor(async () => expect(await here.isOnline({ userId, deviceId })).toBe(true));
    }

    await vi.waitFor(async () => expect(await staysOf(first)).toMatchObject([{ endedAt: null }]));
    for (const { displaced } of sockets) expect(displaced).not.toHaveBeenCalled();
    const newest = await connect(there, third);
    await vi.waitFor(() => expect(sockets[0]?.displaced).toHaveBeenCalledOnce());
    expect(sockets[1]?.displaced).not.toHaveBeenCalled();
    for (const { close } of [...sockets, newest]) close();
  });

  it('wakes the watchers of the account when a device connects and when it disconnects', async () => {
    const device = await newDevice();
    const woken = vi.fn();
    const stop = services.pubSub.onWake((topic, ids) => {
      if (topic === USER_CHANGED && ids.includes(device.userId)) woken();
    });

    const { close } = await connect(here, device);
    expect(woken).toHaveBeenCalledOnce();
    close();
    await vi.waitFor(() => expect(woken).toHaveBeenCalledTimes(2));
    expect(await here.isOnline(device)).toBe(false);
    stop();
  });
});

describe('the online limit', () => {
  it('displaces the longest-connected device, at the same instance or at another', async () => {
    for (const instance of [here, there]) {
      const [first, second, third] = await newAccount(3, 2);
      if (!first || !second || !third) throw new Error('too few devices');
      const oldest = await connect(here, first);
      const older = await connect(instance, second);
      expect(oldest.displaced).not.toHaveBeenCalled();

      const newest = await connect(there, third);

      await vi.waitFor(() => expect(oldest.displaced).toHaveBeenCalledOnce(), { timeout: 1_000 });
      expect(await here.isOnline(first)).toBe(false);
      expect(await here.isOnline(second)).toBe(true);
      expect(await here.isOnline(third)).toBe(true);
      expect(older.displaced).not.toHaveBeenCalled();
      expect(newest.displaced).not.toHaveBeenCalled();
      await ended(first);
      for (const { close } of [oldest, older, newest]) close();
    }
  });

  it('treats a displaced device that reconnects as the newest', async () => {
    const [first, second] = await newAccount(2, 1);
    if (!first || !second) throw new Error('too few devices');
    const before = await connect(here, first);
    const other = await connect(there, second);
    await vi.waitFor(() => expect(before.displaced).toHaveBeenCalledOnce());

    const reconnected = await connect(here, first);

    await vi.waitFor(() => expect(other.displaced).toHaveBeenCalledOnce());
    expect(reconnected.displaced).not.toHaveBeenCalled();
    expect(await there.isOnline(first)).toBe(true);
    expect(await there.isOnline(second)).toBe(false);
    reconnected.close();
  });

  it('either displaces a device that reconnects during its displacement or keeps it as the newest', async () => {
    for (let round = 0; round < 20; round += 1) {
      const [first, second] = await newAccount(2, 1);
      if (!first || !second) throw new Error('too few devices');
      const before = await connect(here, first);

      const [other, reconnected] = await Promise.all([connect(there, second), connect(here, first)]);

      await vi.waitFor(() => expect(before.displaced).toHaveBeenCalledOnce());
      const isOnline = await Promise.all([here.isOnline(second), here.isOnline(first)]);
      const wasDisplaced = () => [other, reconnected].map(({ displaced }) => displaced.mock.calls.length > 0);
      await vi.waitFor(() => expect(wasDisplaced()).toEqual(isOnline.map((online) => !online)));
      expect(isOnline.filter(Boolean)).toHaveLength(1);
      for (const { close } of [other, reconnected]) close();
    }
  });

  it('closes the old socket of a device that reconnects before its instance receives the displacement', async () => {
    const isolated = createPresence({ ...services, pubSub: NO_WAKE_UPS });
    const [first, second] = await newAccount(2, 1);
    if (!first || !second) throw new Error('too few devices');
    const before = await connect(isolated, first);
    const other = await connect(there, second);
    expect(before.displaced).not.toHaveBeenCalled();

    const reconnected = await connect(isolated, first);

    expect(before.displaced).toHaveBeenCalledOnce();
    expect(reconnected.displaced).not.toHaveBeenCalled();
    await vi.waitFor(() => expect(other.displaced).toHaveBeenCalledOnce());
    await isolated.close();
  });

  it('reports a displaced device offline before its instance receives the displacement', async () => {
    const isolated = createPresence({ ...services, pubSub: NO_WAKE_UPS });
    const [first, second] = await newAccount(2, 1);
    if (!first || !second) throw new Error('too few devices');
    const sockets = [await connect(isolated, first), await connect(there, first)];

    const newest = await connect(here, second);

    await vi.waitFor(() => expect(sockets[1]?.displaced).toHaveBeenCalledOnce());
    expect(await there.isOnline(first)).toBe(false);
    await ended(first);
    newest.close();
    await isolated.close();
  });

  it('closes all sockets of the displaced device', async () => {
    const [first, second] = await newAccount(2, 1);
    if (!first || !second) throw new Error('too few devices');
    const sockets = [await connect(here, first), await connect(here, first), await connect(there, first)];

    const newest = await connect(there, second);

    for (const { displaced } of sockets) await vi.waitFor(() => expect(displaced).toHaveBeenCalledOnce());
    newest.close();
  });

  it('keeps exactly the allowed three of twenty devices that connect concurrently', async () => {
    const devices = await newAccount(20, 3);

    const sockets = await Promise.all(
      devices.map((device, index) => connect(index % 2 === 0 ? here : there, device)),
    );

    await vi.waitFor(() => {
      expect(sockets.filter(({ displaced }) => displaced.mock.calls.length > 0)).toHaveLength(17);
    });
    const online = await Promise.all(devices.map((device) => here.isOnline(device)));
    expect(online.filter(Boolean)).toHaveLength(3);
    await vi.waitFor(async () => {
      const where = { userId: devices[0]?.userId ?? '', endedAt: null };
      expect(await services.db.deviceStay.count({ where })).toBe(3);
    });
    for (const { close } of sockets) close();
  });

  it.each<[string, (number | null)[], number]>([
    ['the largest of all plans', [1, 2], 2],
    ['unlimited if one plan is unlimited', [1, null], 3],
    ['unlimited without a plan', [], 3],
  ])('is %s', async (_, limits, expected) => {
    const devices = await newAccount(3, ...limits);
    const sockets = [];
    for (const device of devices) sockets.push(await connect(here, device));

    const online = await Promise.all(devices.map((device) => there.isOnline(device)));

    expect(online.filter(Boolean)).toHaveLength(expected);
    for (const { close } of sockets) close();
  });

  it('applies to subscriptions that never expire', async () => {
    const devices = await newAccount(2, 1);
    const where = { userId: devices[0]?.userId ?? '' };
    await services.db.userSubscription.updateMany({ where, data: { expiresAt: null } });
    const sockets = [];
    for (const device of devices) sockets.push(await connect(here, device));

    const online = await Promise.all(devices.map((device) => there.isOnline(device)));

    expect(online).toEqual([false, true]);
    for (const { close } of sockets) close();
  });

  it('displaces the connecting device itself if it is 0, and records no interval', async () => {
    const device = await newDevice(0);

    const { displaced } = await connect(here, device);

    expect(displaced).toHaveBeenCalledOnce();
    await offline(device);
    expect(await staysOf(device)).toEqual([]);
  });

  it.each<[string, Prisma.UserSubscriptionUpdateManyMutationInput]>([
    ['an expired subscription', { startsAt: secondsAgo(60), expiresAt: secondsAgo(1) }],
    ['a stopped subscription', { status: 'STOPPED' }],
  ])('ignores %s', async (_, data) => {
    const devices = await newAccount(2, 1);
    await services.db.userSubscription.updateMany({ where: { userId: devices[0]?.userId ?? '' }, data });

    const sockets = await Promise.all(devices.map((device) => connect(here, device)));

    for (const { displaced, close } of sockets) {
      expect(displaced).not.toHaveBeenCalled();
      close();
    }
  });
});

describe('a Redis outage', () => {
  it('does not keep devices from connecting: the interval is recorded and this instance reports them online', async () => {
    const redis = await createRedis({ url: '/nowhere/redis.sock', log: services.log });
    const alone = createPresence({ ...services, redis });
    const device = await newDevice(1);

    const { displaced, close } = await connect(alone, device);

    expect(await alone.isOnline(device)).toBe(true);
    expect(await alone.isOnline(await newDevice())).toBe(false);
    expect(await staysOf(device)).toMatchObject([{ endedAt: null }]);
    expect(displaced).not.toHaveBeenCalled();
    close();
    await ended(device);
    await alone.close();
    redis.disconnect();
  });
});

describe('closing an instance', () => {
  it('ends the intervals of its devices before it resolves, except of those connected elsewhere', async () => {
    const closing = createPresence(services);
    const devices = await Promise.all(Array.from({ length: 30 }, () => newDevice()));
    const both = await newDevice();
    await Promise.all(devices.map((device) => connect(closing, device)));
    await connect(closing, both);
    const other = await connect(here, both);

    await closing.close();

    const where = { deviceId: { in: devices.map(({ deviceId }) => deviceId) } };
    expect(await services.db.deviceStay.count({ where: { ...where, endedAt: null } })).toBe(0);
    expect(await Promise.all(devices.map((device) => here.isOnline(device)))).not.toContain(true);
    expect(await services.db.deviceStay.count({ where })).toBe(30);
    expect(await here.isOnline(both)).toBe(true);
    expect(await staysOf(both)).toMatchObject([{ endedAt: null }]);
    other.close();
  });

  it('ignores devices that connect afterwards', async () => {
    const closing = createPresence(services);
    const device = await newDevice();
    await closing.close();

    await connect(closing, device);

    expect(await here.isOnline(device)).toBe(false);
    expect(await staysOf(device)).toEqual([]);
  });
});
