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
/** An open stay of an hour that was confirmed so many seconds ago. */
const seen = (seconds: number) =>
  buildDeviceStay(services.db, { startedAt: secondsAgo(3_600), lastSeenAt: secondsAgo(seconds) });

describe('endStaleStays', () => {
  it('ends what was not confirmed for 25 s, at its last confirmation, and leaves the others open', async () => {
    const [stale, fresh] = [await seen(26), await seen(20)];
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

  it('ends each once, however many workers do it, also when there are many', async () => {
    const { userId } = await seen(0);
    await services.db.$executeRaw`
      INSERT INTO device_stays (id, user_id, started_at, last_seen_at)
      SELECT gen_random_uuid(), ${userId}::uuid, now() - interval '1 hour', now() - interval '1 minute'
      FROM generate_series(1, 2500)`;

    const ended = await Promise.all([1, 2, 3].map(() => endStaleStays(services)));

    // One that others hold at that moment is left to them.
    const rest = await endStaleStays(services);
    expect(ended.reduce((sum, count) => sum + count, rest)).toBe(2_500);
    expect(await services.db.deviceStay.count({ where: { userId, endedAt: null } })).toBe(1);
  });
});
