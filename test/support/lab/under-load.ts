import { setTimeout as sleep } from 'node:timers/promises';
import type { Figure } from './figures.ts';
import type { Lab } from './lab.ts';
import { type Call, type Load, longestResponse, startLoad } from './load.ts';
import { verdict } from './verdict.ts';

interface LoadUnderFault {
  /** The maximum number of calls; the load usually ends earlier, after the fault. */
  codes: number;
  customers?: number;
  inFlight?: number;
  /** Milliseconds until no order may be PAID afterwards. */
  limitMs?: number;
  jobsLimitMs?: number | null;
  /** Milliseconds for which the load continues after the fault. */
  afterMs?: number;
}

/**
 * Runs a load with retries while a fault is injected, then verifies the outcome.
 *
 * @returns the calls, and figures with the bounds that every fault must meet
 */
export async function underLoad(
  lab: Lab,
  { codes, customers = 200, inFlight = 40, limitMs, jobsLimitMs, afterMs = 500 }: LoadUnderFault,
  fault: (load: Load) => Promise<unknown>,
): Promise<{ calls: readonly Call[]; whole: Figure[] }> {
  const load = startLoad({
    urls: () => lab.cluster.apis.map(({ url }) => url),
    customers: await lab.customers(customers),
    codes: await lab.codes(codes),
    pace: { inFlight },
  });
  try {
    await sleep(300);
    await fault(load);
    await sleep(afterMs);
  } finally {
    await load.stop();
  }
  const accepted = load.calls.filter(({ outcome }) => outcome === 'ACCEPTED').length;
  return {
    calls: load.calls,
    whole: [
      { name: 'accepted', value: accepted, atLeast: 1 },
      // Every call is retried until it succeeds, and no fault is permanent.
      { name: 'unanswered', value: load.calls.length - accepted, exactly: 0 },
      { name: 'longest response', value: Math.round(longestResponse(load.calls)), unit: 'ms' },
      ...(await verdict(lab, load.calls, {
        ...(limitMs !== undefined && { limitMs }),
        ...(jobsLimitMs !== undefined && { jobsLimitMs }),
      })),
    ],
  };
}

/** Runs `work` `times` times, each after a random pause of up to `pauseMs`. */
export async function repeatedly(
  times: number,
  { pauseMs, random }: { pauseMs: number; random: () => number },
  work: (turn: number) => Promise<unknown>,
): Promise<void> {
  for (let turn = 0; turn < times; turn++) {
    await sleep(random() * pauseMs);
    await work(turn);
  }
}

/**
 * Milliseconds from a time of the load until the next successful response; infinite without one.
 *
 * @param since milliseconds since the start of the load
 */
export function firstSuccessAfter(calls: readonly Call[], since: number): number {
  const successes = calls
    .flatMap(({ responses }) => responses)
    .filter(({ outcome, at, ms }) => outcome === 'ACCEPTED' && at + ms >= since)
    .map(({ at, ms }) => at + ms - since);
  return successes.length === 0 ? Number.POSITIVE_INFINITY : Math.min(...successes);
}
