import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from './report.mjs';

/** After this time a call counts as failed. */
const PATIENCE_MS = 10_000;

/**
 * Open-loop load: starts `rate` calls a second, regardless of pending ones. Latencies count from
 * the scheduled start, so delays of the load generator are included.
 *
 * @param {(place: number) => Promise<void>} work
 */
export async function underLoad({ rate, seconds }, work) {
  const count = Math.round(rate * seconds);
  const outcomes = { latencies: [], failures: new Map() };
  const startedAt = performance.now() + 10;
  const running = [];
  for (let place = 0; place < count; ) {
    const now = performance.now();
    for (; place < count && startedAt + (place * 1_000) / rate <= now; place++) {
      running.push(timed(work(place), startedAt + (place * 1_000) / rate, outcomes));
    }
    await sleep(1);
  }
  await Promise.all(running);
  const sorted = outcomes.latencies.sort((one, other) => one - other);
  return {
    failed: count - sorted.length,
    reasons: [...outcomes.failures].map(([reason, times]) => `${reason} ${times}x`).join(', '),
    latencies: sorted,
    p50: percentile(sorted, 0.5),
    p99: percentile(sorted, 0.99),
    max: sorted.at(-1) ?? Number.NaN,
  };
}

async function timed(work, dueAt, { latencies, failures }) {
  const impatience = new AbortController();
  try {
    const tooLate = sleep(PATIENCE_MS, undefined, { signal: impatience.signal }).then(() => {
      throw new Error('timeout');
    });
    await Promise.race([work, tooLate]);
    latencies.push(performance.now() - dueAt);
  } catch (error) {
    failures.set(error.message, (failures.get(error.message) ?? 0) + 1);
  } finally {
    impatience.abort();
  }
}
