import { describe, expect, it } from 'vitest';
import { adviceFor } from '../../src/playground/now/advice.ts';
import { addSample, type Sample, type Statistics } from '../../src/playground/now/statistics.ts';

const WELL: Statistics = {
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
const at = (seconds: number) => new Date(Date.parse(WELL.at) + seconds * 1_000).toISOString();

describe('adviceFor', () => {
  const levels = (latest: Partial<Statistics>, silentSeconds = 1) =>
    adviceFor({ latest: { ...WELL, ...latest }, silentSeconds }).map(({ level }) => level);

  it.each([
    ['all is well', {}, 1, []],
    ['no order waits', { oldestPaidOrderSeconds: null }, 1, []],
    ['an order waits for long', { oldestPaidOrderSeconds: 10 }, 1, ['warning']],
    ['an order waits for 30 s', { oldestPaidOrderSeconds: 30 }, 1, ['warning']],
    ['an order waits for too long', { oldestPaidOrderSeconds: 31 }, 1, ['bad']],
    ['a server lags', { serversLagging: 1 }, 1, ['warning']],
    ['servers are gone', { serversOffline: 2 }, 1, ['warning']],
    ['nothing comes', {}, 6, ['bad']],
    ['all at once', { oldestPaidOrderSeconds: 40, serversLagging: 1 }, 9, ['bad', 'bad', 'warning']],
  ])('%s', (_situation, latest, silentSeconds, expected) => {
    expect(levels(latest, silentSeconds)).toEqual(expected);
  });

  it('counts in words', () => {
    const [one] = adviceFor({ latest: { ...WELL, serversOffline: 1 }, silentSeconds: 0 });
    const [two] = adviceFor({ latest: { ...WELL, serversOffline: 2 }, silentSeconds: 0 });

    expect(one?.title).toBe('1 server has not been heard of for a minute.');
    expect(two?.title).toBe('2 servers have not been heard of for a minute.');
  });
});

describe('addSample', () => {
  const after = (...seconds: number[]) =>
    seconds.reduce<Sample[]>((samples, second) => addSample(samples, { ...WELL, at: at(second) }), []);

  it('keeps five minutes', () => {
    expect(after(...Array.from({ length: 400 }, (_, second) => second))).toHaveLength(300);
  });

  it('leaves a gap where nothing came', () => {
    expect(after(0, 1, 10).map(({ statistics }) => statistics !== null)).toEqual([true, true, false, true]);
  });

  it('starts anew when the clock of the server goes back', () => {
    expect(after(5, 6, 2)).toHaveLength(1);
  });
});
