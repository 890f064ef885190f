import { createClient as createSocketClient } from 'graphql-ws';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { WebSocket } from 'ws';
import { pollUntil } from '../../src/platform/concurrency/poll-until.ts';
import { createLogger } from '../../src/platform/logger.ts';
import { createServices, type RunningServices } from '../../src/platform/services.ts';
import {
  LogoutDocument,
  ViewerDevicesChangedDocument,
  type ViewerDevicesChangedSubscription,
  ViewerDevicesDocument,
} from '../generated/graphql.ts';
import { buildPlan, buildSubscription } from '../support/factories.ts';
import {
  goOnline,
  type LoggedInDevice,
  newLoggedInDevice,
  newLoggedInDevices,
} from '../support/going-online.ts';
import { type Cluster, startCluster } from '../support/processes.ts';
import { TEST_SECRET_KEY } from '../support/services.ts';

let cluster: Cluster;
let services: RunningServices;
beforeAll(async () => {
  cluster = await startCluster({ api: 4, workers: 1 });
  services = await createServices({
    ...{ databaseUrl: cluster.postgres.url, redisUrl: cluster.redis.url, secretKey: TEST_SECRET_KEY },
    ...{ rateLimits: false, log: createLogger('silent') },
  });
}, 60_000);
afterAll(async () => {
  await services?.close();
  expect(await cluster.stop()).toEqual([]);
});

const connect = (api: number, device: LoggedInDevice) => goOnline(cluster.apis[api]?.url ?? '', device);

/** As the nth API process sees it. */
async function isOnline(api: number, { deviceId, token }: LoggedInDevice): Promise<boolean> {
  const { viewer } = await cluster.client(api, token).get(ViewerDevicesDocument);
  const device = viewer?.devices.nodes.find(({ id }) => id === deviceId);
  if (!device) throw new Error('the device is gone');
  return device.online;
}

const staysOf = (devices: LoggedInDevice[]) =>
  services.db.deviceStay.findMany({ where: { deviceId: { in: devices.map(({ deviceId }) => deviceId) } } });
const openStaysOf = async (devices: LoggedInDevice[]) =>
  (await staysOf(devices)).filter(({ endedAt }) => endedAt === null);

/** Devices of one account of which so many may be online. */
async function newDevices(count: number, deviceLimit: number): Promise<LoggedInDevice[]> {
  const first = await newLoggedInDevice(services);
  const { userId } = first;
  const { id: planId } = await buildPlan(services.db, { deviceLimit });
  await buildSubscription(services.db, { userId, planId });
  const others = Array.from({ length: count - 1 }, () => newLoggedInDevice(services, { userId }));
  return [first, ...(await Promise.all(others))];
}

describe('a device', () => {
  it('that is online at one process is seen by the other within a second, and so is its end', async () => {
    const device = await newLoggedInDevice(services);
    const watcher = await newLoggedInDevice(services, { userId: device.userId });
    const changes = cluster.client(1, watcher.token).subscribe(ViewerDevicesChangedDocument);
    const online = async () => {
      const { value } = await changes.next();
      const account: ViewerDevicesChangedSubscription['viewerChanged'] | undefined =
        value?.data?.viewerChanged;
      return account?.devices.nodes.find(({ id }) => id === device.deviceId)?.online;
    };
    expect(await online()).toBe(false);

    const socket = await connect(0, device);
    const connectedAt = performance.now();
    expect(await online()).toBe(true);
    expect(await isOnline(1, device)).toBe(true);
    expect(performance.now() - connectedAt).toBeLessThan(1_000);

    socket.close();
    const closedAt = performance.now();
    expect(await online()).toBe(false);
    expect(performance.now() - closedAt).toBeLessThan(1_000);
    await changes.return?.();
  });

  it('that is logged out at one process is closed at the other, and offline', async () => {
    const [device, other] = await newDevices(2, 2);
    if (!device || !other) throw new Error('too few devices');
    const socket = await connect(1, device);
    const at = performance.now();

    await cluster.client(0, device.token).get(LogoutDocument, { everywhere: false });

    expect(await socket.closed).toEqual({ code: 4401, reason: 'SESSION_REVOKED' });
    expect(performance.now() - at).toBeLessThan(5_000);
    const asOther = { ...device, token: other.token };
    expect(await pollUntil(async () => !(await isOnline(0, asOther)), 1_000)).toBe(true);
    expect(await pollUntil(async () => (await openStaysOf([device])).length === 0, 1_000)).toBe(true);
  });

  it('the longest-connected of three where two may be, is closed with 4409, and its client stops', async () => {
    const [first, second, third] = await newDevices(3, 2);
    if (!first || !second || !third) throw new Error('too few devices');
    let connects = 0;
    const client = createSocketClient({
      url: `${cluster.apis[0]?.url.replace('http', 'ws')}/graphql`,
      webSocketImpl: WebSocket,
      connectionParams: { authorization: `Bearer ${first.token}` },
      retryAttempts: 10,
      retryWait: () => Promise.resolve(),
      shouldRetry: () => true,
      on: { connecting: () => (connects += 1) },
    });
    const changes = client.iterate({ query: 'subscription { viewerChanged { id } }' });
    await changes.next();
    const older = await connect(1, second);
    const newest = await connect(1, third);

    await expect(changes.next()).rejects.toMatchObject({ code: 4409, reason: 'DEVICE_DISPLACED' });
    expect(connects).toBe(1);
    expect([older.isOpen(), newest.isOpen()]).toEqual([true, true]);
    expect(await isOnline(1, first)).toBe(false);
    expect(await isOnline(0, second)).toBe(true);
    for (const socket of [older, newest]) socket.close();
    await client.dispose();
  });

  it('is refused with 4409 where none may be online', async () => {
    const [device] = await newDevices(1, 0);
    if (!device) throw new Error('no device');

    await expect(connect(0, device)).rejects.toThrow('4409');
  });
});

// Side by side: one of them takes half a minute, and none disturbs the others.
describe.concurrent('a device', () => {
  it('whose process is killed is offline within 30 s, and its stay has an end', async () => {
    const devices = await newLoggedInDevices(services, 3);
    await Promise.all(devices.map((device) => connect(2, device)));
    const [device] = devices;
    if (!device) throw new Error('no device');
    expect(await isOnline(0, device)).toBe(true);

    const killedAt = Date.now();
    await cluster.apis[2]?.kill9();
    expect(await isOnline(0, device)).toBe(true);

    const isAllOver = async () => !(await isOnline(0, device)) && (await openStaysOf(devices)).length === 0;
    expect(await pollUntil(isAllOver, 32_000)).toBe(true);
    const stays = await staysOf(devices);
    expect(stays).toHaveLength(3);
    for (const { endedAt } of stays) expect(endedAt?.getTime()).toBeLessThanOrEqual(killedAt + 100);
    for (const { endedAt } of stays) expect(endedAt?.getTime()).toBeGreaterThan(killedAt - 9_000);
  }, 60_000);

  it('whose process is asked to end is told to come again, its stay has ended, and is continued elsewhere', async () => {
    const devices = await newLoggedInDevices(services, 20);
    const sockets = await Promise.all(devices.map((device) => connect(3, device)));

    await cluster.apis[3]?.stop();

    expect((await Promise.all(sockets.map(({ closed }) => closed))).map(({ code }) => code)).toEqual(
      devices.map(() => 1001),
    );
    expect(await openStaysOf(devices)).toEqual([]);
    const again = await Promise.all(devices.map((device) => connect(0, device)));
    expect(await openStaysOf(devices)).toHaveLength(20);
    expect(await staysOf(devices)).toHaveLength(20);
    for (const socket of again) socket.close();
  }, 60_000);

  it('in ten reconnect storms of three hundred loses no stay and gets no second one', async () => {
    const devices = await newLoggedInDevices(services, 300);
    const isAllOpen = async () => (await openStaysOf(devices)).length === 300;
    let sockets = await Promise.all(devices.map((device, index) => connect(index % 2, device)));
    const began = await staysOf(devices);

    for (let storm = 1; storm <= 10; storm += 1) {
      for (const socket of sockets) socket.terminate();
      // Half of them come back to the other process, before this one has noticed their end.
      sockets = await Promise.all(
        devices.map((device, index) => connect(Math.floor((index + storm) / 2) % 2, device)),
      );
    }

    expect(await pollUntil(isAllOpen, 10_000)).toBe(true);
    const stays = await staysOf(devices);
    expect(stays.map(({ id }) => id).sort()).toEqual(began.map(({ id }) => id).sort());
    for (const socket of sockets) socket.close();
    expect(await pollUntil(async () => (await openStaysOf(devices)).length === 0, 10_000)).toBe(true);
  }, 60_000);
});

describe('Redis', () => {
  it('emptied: all are online again within 10 s, and nobody is displaced', async () => {
    const devices = await newDevices(2, 2);
    const sockets = await Promise.all(devices.map((device, index) => connect(index, device)));

    await cluster.redis.flush();

    const areOnline = async () => {
      const online = await Promise.all(devices.map((device) => isOnline(0, device)));
      return !online.includes(false);
    };
    expect(await pollUntil(areOnline, 10_000)).toBe(true);
    expect(sockets.map(({ isOpen }) => isOpen())).toEqual([true, true]);
    expect(await staysOf(devices)).toHaveLength(2);
    for (const socket of sockets) socket.close();
  });

  it('standing still keeps no device out, and knows of it once it goes on', async () => {
    const device = await newLoggedInDevice(services);
    const before = performance.now();
    cluster.redis.freeze();
    try {
      const socket = await connect(0, device);
      expect(performance.now() - before).toBeLessThan(3_000);
      expect(await isOnline(0, device)).toBe(true);
      expect(await openStaysOf([device])).toHaveLength(1);
      cluster.redis.resume();
      expect(await pollUntil(() => isOnline(1, device), 10_000)).toBe(true);
      socket.close();
    } finally {
      cluster.redis.resume();
    }
  });
});
