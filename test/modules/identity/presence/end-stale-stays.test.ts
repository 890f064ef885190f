import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { endStaleStays } from '../../../../src/modules/identity/presence/end-stale-stays.ts';
import { USER_CHANGED } from '../../../../src/modules/kernel/topics.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import { buildDeviceStay } from '../../../support/factories.ts';
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
  it('ends intervals unconfirmed for 25 s at their last heartbeat, and leaves others open', async () => {
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
