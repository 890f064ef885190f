import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createStatistics } from '../../../../src/modules/operations/statistics/read-statistics.ts';
import {
  watchedStatistics,
  watchStatistics,
} from '../../../../src/modules/operations/statistics/watch-statistics.ts';
import type { RunningServices } from '../../../../src/platform/services.ts';
import { StatisticsChangedDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi } from '../../../support/api.ts';
import { createTestServices } from '../../../support/services.ts';

let services: RunningServices;
beforeAll(async () => {
  services = await createTestServices();
});
afterAll(() => services.close());

/** A stream may send the same value twice in a row. */
async function untilThree<Value>(stream: AsyncIterable<Value>): Promise<Set<Value>> {
  const values = new Set<Value>();
  for await (const value of stream) if (values.add(value).size === 3) break;
  return values;
}

describe('watchStatistics', () => {
  it('sends the current statistics, then new ones every second, from one read for all streams', async () => {
    const read = createStatistics(services);
    const readings: unknown[] = [];
    const statistics = async () => {
      const reading = await read();
      if (readings.at(-1) !== reading) readings.push(reading);
      return reading;
    };
    const watched = watchedStatistics(services);
    const streams = await Promise.all(
      Array.from({ length: 30 }, () => watchStatistics({ statistics, watchedStatistics: watched })),
    );
    const seen = await Promise.all(streams.map((stream) => untilThree(stream)));

    expect(new Set(seen.flatMap((values) => [...values])).size).toBe(3);
    expect(readings).toHaveLength(3);
    expect(watched.size).toBe(0);
  });
});

describe('statisticsChanged', () => {
  let api: TestApi;
  beforeAll(async () => {
    api = await startTestApi();
  });
  afterAll(() => api.close());

  it('streams statistics with increasing times to an admin', async () => {
    const admin = await api.newAdmin();
    const times: string[] = [];
    for await (const { data } of admin.subscribe(StatisticsChangedDocument)) {
      if (times.push(data?.statisticsChanged.at ?? '') === 2) break;
    }

    expect(Date.parse(times[1] ?? '')).toBeGreaterThan(Date.parse(times[0] ?? ''));
  });
});
