import { describe, expect, it } from 'vitest';
import { adviceFor } from '../../src/playground/now/advice.ts';
import { addSample, type Sample, type Statistics } from '../../src/playground/now/statistics.ts';

const HEALTHY: Statistics = {
  at: '2026-06-10T12:00:00.000Z',
  activationsPerSecond: 3.5,
  queueDepth: 1,
  oldestPaidOrderSeconds: 0,
  devicesOnline: 7,
  serversOnline: 2,
  serversLagging: 0,
  serversOffline: 0,
  redemptionsToday: [],
};
const at = (seconds: number) => new Date(Date.parse(HEALTHY.at) + seconds * 1_000).toISOString();

describe('adviceFor', () => {
  const levels = (latest: Partial<Statistics>, silentSeconds = 1) =>
    adviceFor({ latest: { ...HEALTHY, ...latest }, silentSeconds }).map(({ level }) => level);

  it.each([
    ['nothing when there is no problem', {}, 1, []],
    ['nothing when no order waits', { oldestPaidOrderSeconds: null }, 1, []],
    ['a warning when an order has waited for 10 s', { oldestPaidOrderSeconds: 10 }, 1, ['warning']],
    ['a warning when an order has waited for 30 s', { oldestPaidOrderSeconds: 30 }, 1, ['warning']],
    ['an alert when an order has waited for over 30 s', { oldestPaidOrderSeconds: 31 }, 1, ['bad']],
    ['a warning when a server lags', { serversLagging: 1 }, 1, ['warning']],
    ['a warning when servers are offline', { serversOffline: 2 }, 1, ['warning']],
    ['an alert when updates stop', {}, 6, ['bad']],
    [
      'several problems, alerts first',
      { oldestPaidOrderSeconds: 40, serversLagging: 1 },
      9,
      ['bad', 'bad', 'warning'],
    ],
  ])('reports %s', (_situation, latest, silentSeconds, expected) => {
    expect(levels(latest, silentSeconds)).toEqual(expected);
  });

  it('uses the singular for one server', () => {
    const [one] = adviceFor({ latest: { ...HEALTHY, serversOffline: 1 }, silentSeconds: 0 });
    const [two] = adviceFor({ latest: { ...HEALTHY, serversOffline: 2 }, silentSeconds: 0 });

    expect(one?.title).toBe('1 server has not contacted the API for a minute.');
    expect(two?.title).toBe('2 servers have not contacted the API for a minute.');
  });
});

describe('addSample', () => {
  const after = (...seconds: number[]) =>
    seconds.reduce<Sample[]>((samples, second) => addSample(samples, { ...HEALTHY, at: at(second) }), []);

  it('drops samples older than five minutes', () => {
    expect(after(...Array.from({ length: 400 }, (_, second) => second))).toHaveLength(300);
  });

  it('inserts a gap when updates were missing', () => {
    expect(after(0, 1, 10).map(({ statistics }) => statistics !== null)).toEqual([true, true, false, true]);
  });

  it('discards later samples when the server clock goes back', () => {
    expect(after(5, 6, 2)).toHaveLength(1);
  });
});
