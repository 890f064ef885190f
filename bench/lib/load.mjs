import { setTimeout as sleep } from 'node:timers/promises';
import { percentile } from './report.mjs';

/** Nobody waits for longer; what is not there by then counts as failed. */
const PATIENCE_MS = 10_000;

/**
 * Does the work so many times a second, whether earlier ones are done or not, and measures each from the moment when
 * it was due: what the load generator is late by counts, too.
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
      throw new Error('no answer');
    });
    await Promise.race([work, tooLate]);
    latencies.push(performance.now() - dueAt);
  } catch (error) {
    failures.set(error.message, (failures.get(error.message) ?? 0) + 1);
  } finally {
    impatience.abort();
  }
}
