import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { listDevices } from '../../../../src/modules/identity/device/list-devices.ts';
import { endStaleStays } from '../../../../src/modules/identity/presence/end-stale-stays.ts';
import { USER_CHANGED } from '../../../../src/modules/kernel/topics.ts';
import { reportProcess } from '../../../../src/platform/service-processes.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import { buildDeviceStay } from '../../../support/factories.ts';
import { newProcess } from '../../../support/own-process.ts';
import { createTestServices } from '../../../support/services.ts';

let services: RunningServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());

const secondsAgo = (seconds: number) => new Date(Date.now() - seconds * 1_000);
/** An open presence interval that began an hour ago and was last confirmed `seconds` ago. */
const staySeen = (seconds: number) =>
  buildDeviceStay(services.db, { startedAt: secondsAgo(3_600), lastSeenAt: secondsAgo(seconds) });

describe('endStaleStays', () => {
  it.each([
    ['leaves open the interval of a process that runs', 20, false, null],
    ['ends the interval of a process that crashed when it was last seen', 26, false, 26],
    ['ends the interval that a process left open when it stopped', 2, true, 1],
  ])('%s', async (_, seen, hasStopped, endedAgo) => {
    const { db } = services;
    const holder = newProcess('api');
    await reportProcess(services, holder);
    await db.serviceProcess.update({
      where: { id: holder.id },
      data: { lastSeenAt: secondsAgo(seen), endedAt: hasStopped ? secondsAgo(1) : null },
    });
    const times = { startedAt: secondsAgo(3_600), lastSeenAt: secondsAgo(3_600) };
    const { id, userId } = await buildDeviceStay(db, { ...times, processId: holder.id });
    const isOnline = async () =>
      (await listDevices(services, { filter: { online: true, userId }, page: { first: 1 } })).nodes.length;

    expect(await isOnline()).toBe(endedAgo === null ? 1 : 0);
    expect(await endStaleStays(services)).toBe(endedAgo === null ? 0 : 1);

    const stay = await db.deviceStay.findUniqueOrThrow({ where: { id } });
    const ago = stay.endedAt && Math.round((Date.now() - stay.endedAt.getTime()) / 1_000);
    expect(ago).toBe(endedAgo);
    await db.deviceStay.update({ where: { id }, data: { endedAt: secondsAgo(0) } });
  });

  it('ends intervals of processes before version 0.2 that were not confirmed for 25 s', async () => {
    const [stale, fresh] = [await staySeen(26), await staySeen(20)];
    const woken = vi.fn();
    const stop = services.pubSub.onWake((topic, ids) => woken(topic, ids));

    expect(await endStaleStays(services)).toBe(1);

    stop();
    const { db } = services;
    expect(await db.deviceStay.findUnique({ where: { id: stale.id } })).toMatchObject({
      endedAt: stale.lastSeenAt,
    });
    expect(await db.deviceStay.findUnique({ where: { id: fresh.id } })).toMatchObject({ endedAt: null });
    expect(woken).toHaveBeenCalledWith(USER_CHANGED, [stale.userId]);
    expect(await endStaleStays(services)).toBe(0);
  });

  it('ends each of 2,500 intervals exactly once when three workers run it concurrently', async () => {
    const { userId } = await staySeen(0);
    await services.db.$executeRaw`
      INSERT INTO device_stays (id, user_id, started_at, last_seen_at)
      SELECT gen_random_uuid(), ${userId}::uuid, now() - interval '1 hour', now() - interval '1 minute'
      FROM generate_series(1, 2500)`;

    const ended = await Promise.all([1, 2, 3].map(() => endStaleStays(services)));

    // Rows that another worker holds are skipped, so one more run may be needed.
    const rest = await endStaleStays(services);
    expect(ended.reduce((sum, count) => sum + count, rest)).toBe(2_500);
    expect(await services.db.deviceStay.count({ where: { userId, endedAt: null } })).toBe(1);
  });
});
