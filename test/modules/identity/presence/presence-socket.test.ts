import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { WebSocket } from 'ws';
import { createPresence } from '../../../../src/modules/identity/presence/presence.ts';
import type { PubSub } from '../../../../src/platform/watch/pubsub.ts';
import {
  DeviceStatisticsDocument,
  ViewerDevicesChangedDocument,
  type ViewerDevicesChangedSubscription,
  ViewerDevicesDocument,
} from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { buildDevice } from '../../../support/factories.ts';
import { goOnline, newLoggedInDevice, newLoggedInDevices } from '../../../support/going-online.ts';

let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api.close());

async function devicesOf(user: TestUser) {
  const { viewer } = await user.get(ViewerDevicesDocument);
  return viewer?.devices.nodes ?? [];
}

describe('Device.online', () => {
  it('is true only for the device of the account that has an open websocket', async () => {
    const user = await api.newUser();
    await buildDevice(api.services.db, { userId: user.userId });
    expect((await devicesOf(user)).map(({ online }) => online)).toEqual([false, false]);

    const socket = await goOnline(api.url, { token: user.token ?? '' });

    for (const { online, current } of await devicesOf(user)) expect(online).toBe(current);
    socket.close();
    await vi.waitFor(async () =>
      expect((await devicesOf(user)).map(({ online }) => online)).toEqual([false, false]),
    );
  });

  it('is read in one Redis call for a whole page of devices', async () => {
    const user = await api.newUser();
    const { db, redis } = api.services;
    await Promise.all(Array.from({ length: 15 }, () => buildDevice(db, { userId: user.userId })));
    const evaluated = vi.spyOn(redis, 'eval');

    expect(await devicesOf(user)).toHaveLength(16);

    expect(evaluated).toHaveBeenCalledOnce();
    evaluated.mockRestore();
  });

  it('is pushed to viewerChanged even if no wake-up arrives', async () => {
    const user = await api.newUser();
    const other = await newLoggedInDevice(api.services, { userId: user.userId });
    const changes = user.subscribe(ViewerDevicesChangedDocument);
    const online = async () => {
      const { value } = await changes.next();
      const account: ViewerDevicesChangedSubscription['viewerChanged'] | undefined =
        value?.data?.viewerChanged;
      return account?.devices.nodes.find(({ id }) => id === other.deviceId)?.online;
    };
    expect(await online()).toBe(false);
    const silent = { publish: () => {}, onWake: () => () => {}, onReconnect: () => () => {} };
    const elsewhere = createPresence({ ...api.services, pubSub: silent as unknown as PubSub });

    await elsewhere.connect(other, { displaced: () => {} });

    expect(await online()).toBe(true);
    await elsewhere.close();
    expect(await online()).toBe(false);
    await changes.return?.();
  });
});

describe('recorded presence', () => {
  it('does not include admins without a device, or agents', async () => {
    const [admin, agent] = [await api.newAdmin(), await api.newAgent()];
    const before = await api.services.db.deviceStay.count();

    const sockets = await Promise.all(
      [admin, agent].map(({ token }) => goOnline(api.url, { token: token ?? '' })),
    );

    expect(await api.services.db.deviceStay.count()).toBe(before);
    expect(await api.services.redis.exists(`presence:${admin.userId}`)).toBe(0);
    for (const socket of sockets) socket.close();
  });

  it('does not retain sockets that close during the handshake', async () => {
    const { db, redis } = api.services;
    const devices = await newLoggedInDevices(api.services, 60);
    await Promise.all(
      devices.map(async ({ token }, index) => {
        const socket = new WebSocket(`${api.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws');
        const closed = new Promise((resolve) => socket.once('close', resolve));
        socket.on('open', () => {
          const payload = { authorization: `Bearer ${token}` };
          socket.send(JSON.stringify({ type: 'connection_init', payload }));
          setTimeout(() => socket.terminate(), index);
        });
        await closed;
      }),
    );

    const where = { deviceId: { in: devices.map(({ deviceId }) => deviceId) } };
    await vi.waitFor(
      async () => {
        // Some sockets closed before they were registered, others afterwards; none may stay online.
        const keys = await Promise.all(devices.map(({ userId }) => redis.exists(`presence:${userId}`)));
        expect(keys).not.toContain(1);
        expect(await db.deviceStay.count({ where: { ...where, endedAt: null } })).toBe(0);
      },
      { timeout: 5_000 },
    );
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect(await db.deviceStay.count({ where: { ...where, endedAt: null } })).toBe(0);
    expect(await db.deviceStay.count({ where })).toBeGreaterThan(0);
  });
});

describe('deviceStatistics', () => {
  it('returns the days of the requested time zone', async () => {
    const user = await api.newUser();
    const socket = await goOnline(api.url, { token: user.token ?? '' });

    const { viewer } = await user.get(DeviceStatisticsDocument, { timeZone: 'Pacific/Auckland' });

    const today = new Intl.DateTimeFormat('sv-SE', { timeZone: 'Pacific/Auckland' }).format(new Date());
    expect(viewer?.deviceStatistics.days).toHaveLength(7);
    expect(viewer?.deviceStatistics.days.at(-1)?.date).toBe(today);
    expect(viewer?.deviceStatistics.days.at(-1)?.hours).toBeGreaterThan(0);
    expect(viewer?.deviceStatistics).toMatchObject({ currentStreakDays: 1, longestStreakDays: 1 });
    socket.close();
  });

  it('rejects an unknown time zone and reports the argument', async () => {
    const user = await api.newUser();

    const { extensions } = await user.refused(DeviceStatisticsDocument, { timeZone: 'Europe/Atlantis' });

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'timeZone' });
  });
});
