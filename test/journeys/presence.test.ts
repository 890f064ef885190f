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

/** Reads `Device.online` from the API process with this index. */
async function isOnline(api: number, { deviceId, token }: LoggedInDevice): Promise<boolean> {
  const { viewer } = await cluster.client(api, token).get(ViewerDevicesDocument);
  const device = viewer?.devices.nodes.find(({ id }) => id === deviceId);
  if (!device) throw new Error('the device is not in the list');
  return device.online;
}

const staysOf = (devices: LoggedInDevice[]) =>
  services.db.deviceStay.findMany({ where: { deviceId: { in: devices.map(({ deviceId }) => deviceId) } } });
const openStaysOf = async (devices: LoggedInDevice[]) =>
  (await staysOf(devices)).filter(({ endedAt }) => endedAt === null);

/** Creates devices of one account with this online limit. */
async function newDevices(count: number, deviceLimit: number): Promise<LoggedInDevice[]> {
  const first = await newLoggedInDevice(services);
  const { userId } = first;
  const { id: planId } = await buildPlan(services.db, { deviceLimit });
  await buildSubscription(services.db, { userId, planId });
  const others = Array.from({ length: count - 1 }, () => newLoggedInDevice(services, { userId }));
  return [first, ...(await Promise.all(others))];
}

describe('device presence across processes', () => {
  it('propagates connects and disconnects to another process within a second', async () => {
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

  it('closes the socket at one process when the device logs out at another, and takes it offline', async () => {
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

  it('displaces the longest-connected of three devices with 4409, and its client does not reconnect', async () => {
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

  it('refuses a device with 4409 if the online limit is 0', async () => {
    const [device] = await newDevices(1, 0);
    if (!device) throw new Error('no device');

    await expect(connect(0, device)).rejects.toThrow('4409');
  });
});

// Concurrent, because one test takes half a minute and the tests do not affect each other.
describe.concurrent('device presence when processes end', () => {
  it('takes devices of a killed process offline within 30 s and ends their intervals', async () => {
    const devices = await newLoggedInDevices(services, 3);
    await Promise.all(devices.map((device) => connect(2, device)));
    const [device] = devices;
    if (!device) throw new Error('no device');
    expect(await isOnline(0, device)).toBe(true);

    const killedAt = Date.now();
    await cluster.apis[2]?.kill9();
    expect(await isOnline(0, device)).toBe(true);

    const areAllOffline = async () =>
      !(await isOnline(0, device)) && (await openStaysOf(devices)).length === 0;
    expect(await pollUntil(areAllOffline, 32_000)).toBe(true);
    const stays = await staysOf(devices);
    expect(stays).toHaveLength(3);
    for (const { endedAt } of stays) expect(endedAt?.getTime()).toBeLessThanOrEqual(killedAt + 100);
    for (const { endedAt } of stays) expect(endedAt?.getTime()).toBeGreaterThan(killedAt - 9_000);
  }, 60_000);

  it('closes sockets with 1001 on graceful shutdown, ends the intervals, and continues them after a reconnect', async () => {
    const devices = await newLoggedInDevices(services, 20);
    const sockets = await Promise.all(devices.map((device) => connect(3, device)));

    await cluster.apis[3]?.stop();

    expect((await Promise.all(sockets.map(({ closed }) => closed))).map(({ code }) => code)).toEqual(
      devices.map(() => 1001),
    );
    expect(await openStaysOf(devices)).toEqual([]);
    const reconnected = await Promise.all(devices.map((device) => connect(0, device)));
    expect(await openStaysOf(devices)).toHaveLength(20);
    expect(await staysOf(devices)).toHaveLength(20);
    for (const socket of reconnected) socket.close();
  }, 60_000);

  it('keeps one interval per device through ten reconnect storms of three hundred devices', async () => {
    const devices = await newLoggedInDevices(services, 300);
    const areAllOnline = async () => (await openStaysOf(devices)).length === 300;
    let sockets = await Promise.all(devices.map((device, index) => connect(index % 2, device)));
    const before = await staysOf(devices);

    for (let storm = 1; storm <= 10; storm += 1) {
      for (const socket of sockets) socket.terminate();
      // Half of the devices reconnect to the other process before this one notices the disconnect.
      sockets = await Promise.all(
        devices.map((device, index) => connect(Math.floor((index + storm) / 2) % 2, device)),
      );
    }

    expect(await pollUntil(areAllOnline, 10_000)).toBe(true);
    const stays = await staysOf(devices);
    expect(stays.map(({ id }) => id).sort()).toEqual(before.map(({ id }) => id).sort());
    for (const socket of sockets) socket.close();
    expect(await pollUntil(async () => (await openStaysOf(devices)).length === 0, 10_000)).toBe(true);
  }, 60_000);
});

describe('device presence when Redis fails', () => {
  it('restores all devices within 10 s after Redis lost its data, and displaces none', async () => {
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

  it('lets a device connect while Redis hangs, and records it once Redis responds', async () => {
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
