import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  deviceStatistics,
  type StayStatistics,
} from '../../../../src/modules/identity/presence/device-statistics.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import { buildDevice, buildDeviceStay, buildUser } from '../../../support/factories.ts';
import { createTestServices } from '../../../support/services.ts';

let services: RunningServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());

/**
 * Start and end of a presence interval. If the end is null it is open; `lastSeenAt` defaults to the
 * present.
 */
type Stay = [from: string, until: string | null, lastSeenAt?: string];

/**
 * Reads, at the time `at`, the statistics of an account with these intervals, each of a different
 * device.
 */
async function statistics(at: string, stays: Stay[], timeZone?: string): Promise<StayStatistics> {
  const { id: userId } = await buildUser(services.db);
  for (const [from, until, lastSeenAt = until ?? at] of stays) {
    const { id: deviceId } = await buildDevice(services.db, { userId });
    const endedAt = until === null ? null : new Date(until);
    await buildDeviceStay(services.db, {
      ...{ userId, deviceId, startedAt: new Date(from), lastSeenAt: new Date(lastSeenAt), endedAt },
    });
  }
  return services.db.$transaction(async (tx) => {
    const offset = `${(new Date(at).getTime() - Date.now()) / 1_000} seconds`;
    await tx.$executeRaw`SELECT set_config('tessera.clock_offset', ${offset}, true)`;
    return deviceStatistics({ db: tx }, { userId, timeZone });
  });
}

const hoursOf = ({ days }: StayStatistics) => days.map(({ hours }) => Number(hours.toFixed(2)));
const day = (date: string): Stay => [`${date}T10:00:00Z`, `${date}T11:00:00Z`];

describe('deviceStatistics', () => {
  it('returns seven days of zeros for an account that was never online', async () => {
    expect(await statistics('2026-03-03T12:00:00Z', [])).toEqual({
      days: ['02-25', '02-26', '02-27', '02-28', '03-01', '03-02', '03-03'].map((date) => ({
        date: `2026-${date}`,
        hours: 0,
      })),
      longestStaySeconds: 0,
      currentStreakDays: 0,
      longestStreakDays: 0,
    });
  });

  it.each<[string, string | undefined, Stay[], string, number[]]>([
    [
      'a single interval',
      undefined,
      [['2026-03-02T10:00:00Z', '2026-03-02T11:30:00Z']],
      '2026-03-03T12:00:00Z',
      [0, 0, 0, 0, 0, 1.5, 0],
    ],
    [
      'overlapping intervals of several devices once',
      'UTC',
      [
        ['2026-03-02T10:00:00Z', '2026-03-02T12:00:00Z'],
        ['2026-03-02T11:00:00Z', '2026-03-02T13:00:00Z'],
        ['2026-03-02T11:30:00Z', '2026-03-02T11:45:00Z'],
        ['2026-03-02T20:00:00Z', '2026-03-02T21:00:00Z'],
      ],
      '2026-03-03T12:00:00Z',
      [0, 0, 0, 0, 0, 4, 0],
    ],
    [
      'an interval across midnights on each day',
      undefined,
      [['2026-02-28T22:00:00Z', '2026-03-02T01:00:00Z']],
      '2026-03-03T12:00:00Z',
      [0, 0, 0, 2, 24, 1, 0],
    ],
    [
      'days in the requested time zone',
      'Asia/Tokyo',
      [['2026-03-02T14:00:00Z', '2026-03-02T16:00:00Z']],
      '2026-03-02T22:00:00Z',
      [0, 0, 0, 0, 0, 1, 1],
    ],
    [
      'days at an offset east of Greenwich',
      '+09:00',
      [['2026-03-02T14:00:00Z', '2026-03-02T16:00:00Z']],
      '2026-03-02T22:00:00Z',
      [0, 0, 0, 0, 0, 1, 1],
    ],
    [
      'days at an offset west of Greenwich with minutes',
      '-03:30',
      [['2026-03-02T03:00:00Z', '2026-03-02T04:30:00Z']],
      '2026-03-03T02:00:00Z',
      [0, 0, 0, 0, 0, 0.5, 1],
    ],
    [
      'days in a time zone west of Greenwich',
      'America/Los_Angeles',
      [['2026-03-02T07:00:00Z', '2026-03-02T09:00:00Z']],
      '2026-03-03T02:00:00Z',
      [0, 0, 0, 0, 0, 1, 1],
    ],
    [
      '23 hours on the day when daylight saving time starts',
      'Europe/Berlin',
      [['2026-03-28T00:00:00Z', '2026-03-31T00:00:00Z']],
      '2026-03-31T12:00:00Z',
      [0, 0, 0, 23, 23, 24, 2],
    ],
    [
      '25 hours on the day when daylight saving time ends',
      'Europe/Berlin',
      [['2026-10-24T00:00:00Z', '2026-10-27T00:00:00Z']],
      '2026-10-27T12:00:00Z',
      [0, 0, 0, 22, 25, 24, 1],
    ],
    [
      'only the part of an older interval that falls into the week',
      undefined,
      [['2026-01-01T00:00:00Z', '2026-02-25T06:00:00Z']],
      '2026-03-03T12:00:00Z',
      [6, 0, 0, 0, 0, 0, 0],
    ],
    [
      'an open interval until now',
      undefined,
      [['2026-03-03T09:00:00Z', null]],
      '2026-03-03T12:00:00Z',
      [0, 0, 0, 0, 0, 0, 3],
    ],
    [
      'an open interval of a crashed instance until its last heartbeat',
      undefined,
      [['2026-03-03T09:00:00Z', null, '2026-03-03T10:00:00Z']],
      '2026-03-03T12:00:00Z',
      [0, 0, 0, 0, 0, 0, 1],
    ],
  ])('counts %s', async (_, timeZone, stays, at, expected) => {
    expect(hoursOf(await statistics(at, stays, timeZone))).toEqual(expected);
  });

  it('reports the longest interval of a single device, not of overlapping devices together', async () => {
    const stays: Stay[] = [
      ['2026-03-02T10:00:00Z', '2026-03-02T12:00:00Z'],
      ['2026-03-02T11:59:00Z', '2026-03-02T14:00:01.900Z'],
    ];

    expect(await statistics('2026-03-03T12:00:00Z', stays)).toMatchObject({ longestStaySeconds: 7_261 });
  });

  it.each<[string, Stay[], number, number]>([
    ['with today', [day('2026-03-02'), day('2026-03-03')], 2, 2],
    ['with yesterday, while today is not over', [day('2026-03-01'), day('2026-03-02')], 2, 2],
    ['before yesterday as broken', [day('2026-02-28'), day('2026-03-01')], 0, 2],
    [
      'with today, next to an earlier longer one',
      [day('2026-02-10'), day('2026-02-11'), day('2026-02-12'), day('2026-03-03')],
      1,
      3,
    ],
    [
      'with today across a month boundary, counting two intervals a day once',
      [day('2026-02-28'), day('2026-03-01'), day('2026-03-01'), day('2026-03-02'), day('2026-03-03')],
      4,
      4,
    ],
    [
      'with today from one interval across midnights',
      [['2026-02-28T23:59:59Z', '2026-03-03T00:00:01Z']],
      4,
      4,
    ],
    [
      'exactly at midnight without counting the next day',
      [['2026-03-01T12:00:00Z', '2026-03-03T00:00:00Z']],
      2,
      2,
    ],
  ])('reports a streak that ends %s', async (_, stays, current, longest) => {
    expect(await statistics('2026-03-03T12:00:00Z', stays)).toMatchObject({
      currentStreakDays: current,
      longestStreakDays: longest,
    });
  });

  it('counts streaks in days of the requested time zone', async () => {
    const stays: Stay[] = [
      ['2026-03-01T16:00:00Z', '2026-03-01T17:00:00Z'],
      ['2026-03-02T14:00:00Z', '2026-03-02T14:30:00Z'],
    ];

    expect(await statistics('2026-03-02T14:45:00Z', stays)).toMatchObject({ currentStreakDays: 2 });
    expect(await statistics('2026-03-02T14:45:00Z', stays, 'Asia/Tokyo')).toMatchObject({
      currentStreakDays: 1,
    });
  });

  it('includes intervals of deleted devices and excludes those of other accounts', async () => {
    const { userId, id: deviceId } = await buildDevice(services.db);
    const startedAt = new Date(Date.now() - 7_200_000);
    const endedAt = new Date(startedAt.getTime() + 60_000);
    await buildDeviceStay(services.db, { userId, deviceId, startedAt, lastSeenAt: endedAt, endedAt });
    await buildDeviceStay(services.db, { startedAt: new Date(Date.now() - 86_400_000) });
    await services.db.device.delete({ where: { id: deviceId } });

    const { longestStaySeconds } = await deviceStatistics(services, { userId });

    expect(longestStaySeconds).toBe(60);
  });

  it.each([
    ...['Europe/Atlantis', '', '-05', 'UTC; DROP TABLE users', 'Europe/Berlin\n', 'FOO5', '/', 'Europe/'],
    ...['IST', 'EST', 'CET', 'GMT', 'PST8PDT', 'Japan', '+15:00', '+01:60', '+1:00', '01:00', '+0100'],
  ])('rejects %j as a time zone', async (timeZone) => {
    const { id: userId } = await buildUser(services.db);

    await expect(deviceStatistics(services, { userId, timeZone })).rejects.toMatchObject({
      code: 'BAD_USER_INPUT',
      details: { field: 'timeZone' },
    });
  });

  it('accepts the time zones that Node.js supports', async () => {
    const { id: userId } = await buildUser(services.db);
    const zones = Intl.supportedValuesOf('timeZone').filter((_, index) => index % 40 === 0);

    for (const timeZone of [...zones, 'utc', 'Etc/GMT+5', '+05:30', '-11:00', '+14:00', '+00:00']) {
      expect((await deviceStatistics(services, { userId, timeZone })).days).toHaveLength(7);
    }
  });

  it('takes less than half a second for ten thousand intervals', async () => {
    const { id: userId } = await buildUser(services.db);
    await services.db.$executeRaw`
      INSERT INTO device_stays (id, user_id, started_at, last_seen_at, ended_at)
      SELECT gen_random_uuid(), ${userId}::uuid, t, t + interval '20 minutes', t + interval '20 minutes'
      FROM (SELECT now() - interval '30 minutes' * (n / 2) AS t FROM generate_series(2, 40000) AS n) AS stays`;

    const startedAt = performance.now();
    const { longestStreakDays } = await deviceStatistics(services, { userId });

    expect(performance.now() - startedAt).toBeLessThan(500);
    expect(longestStreakDays).toBeGreaterThan(100);
  });
});
