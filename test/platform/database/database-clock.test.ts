import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Database } from '../../../src/platform/database/database.ts';
import { createDatabaseClock } from '../../../src/platform/database/database-clock.ts';

const MINUTE_MS = 60_000;

let aheadMs: number;
let statements: number;
let isDown: boolean;
/** How long a statement takes, in milliseconds. PostgreSQL reads its clock halfway. */
let roundTripMs: number;

const wait = async (ms: number) => {
  if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
};
const db = {
  $queryRaw: async () => {
    statements++;
    await wait(roundTripMs / 2);
    const clock = new Date(Date.now() + aheadMs);
    await wait(roundTripMs / 2);
    if (isDown) throw new Error('connection refused');
    return [{ clock }];
  },
} as unknown as Database;

/** The difference between the clock and the one of PostgreSQL, in milliseconds. */
async function errorOf(clock: { now: () => Promise<number> }): Promise<number> {
  const reading = clock.now();
  await vi.advanceTimersByTimeAsync(roundTripMs);
  return (await reading) - Date.now() - aheadMs;
}

beforeEach(() => {
  vi.useFakeTimers();
  [aheadMs, statements, isDown, roundTripMs] = [0, 0, false, 0];
});
afterEach(() => {
  vi.useRealTimers();
});

describe('createDatabaseClock', () => {
  it.each([-7_000, 0, 7_000])('follows PostgreSQL if its clock is %d ms ahead', async (ahead) => {
    aheadMs = ahead;

    expect(await errorOf(createDatabaseClock({ db }))).toBe(0);
  });

  it('is never behind PostgreSQL, and at most a round trip ahead', async () => {
    roundTripMs = 200;

    const error = await errorOf(createDatabaseClock({ db }));

    expect(error).toBeGreaterThanOrEqual(0);
    expect(error).toBeLessThanOrEqual(roundTripMs);
  });

  it('sends one statement a minute, however often it is read', async () => {
    const clock = createDatabaseClock({ db });
    await Promise.all(Array.from({ length: 100 }, () => errorOf(clock)));
    expect(statements).toBe(1);

    await vi.advanceTimersByTimeAsync(MINUTE_MS);
    expect(statements).toBe(1);
    await errorOf(clock);

    expect(statements).toBe(2);
  });

  it('notices a change within two reads a minute apart, without waiting for PostgreSQL', async () => {
    const clock = createDatabaseClock({ db });
    await errorOf(clock);
    aheadMs = 5_000;
    roundTripMs = 1_000;
    await vi.advanceTimersByTimeAsync(MINUTE_MS);

    expect(await clock.now()).toBe(Date.now());
    await vi.advanceTimersByTimeAsync(roundTripMs);

    expect((await clock.now()) - Date.now() - aheadMs).toBe(roundTripMs / 2);
  });

  it('keeps the last difference during an outage, and measures again a second later', async () => {
    aheadMs = 3_000;
    const clock = createDatabaseClock({ db });
    await errorOf(clock);
    isDown = true;
    await vi.advanceTimersByTimeAsync(MINUTE_MS);
    expect(await errorOf(clock)).toBe(0);

    isDown = false;
    aheadMs = 4_000;
    await vi.advanceTimersByTimeAsync(1_000);
    await errorOf(clock);

    expect(await errorOf(clock)).toBe(0);
  });

  it('is the clock of the host until PostgreSQL has been reached', async () => {
    aheadMs = 3_000;
    isDown = true;

    expect(await errorOf(createDatabaseClock({ db }))).toBe(-3_000);
  });
});
