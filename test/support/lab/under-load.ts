import { setTimeout as sleep } from 'node:timers/promises';
import type { Figure } from './figures.ts';
import type { Lab } from './lab.ts';
import { type Load, longestAnswer, startLoad, type Wish } from './load.ts';
import { verdict } from './verdict.ts';

interface Siege {
  /** Most wishes that are made; the load ends earlier when the fault is over. */
  codes: number;
  customers?: number;
  inFlight?: number;
  /** How long it may take until everything has settled afterwards. */
  limitMs?: number;
  jobsLimitMs?: number | null;
  /** How long the load goes on after the fault. */
  afterMs?: number;
}

/**
 * Customers redeem, and ask again what may be asked again, while the fault does its worst; then everything must come
 * right.
 *
 * @returns the figures of the verdict, and how many redemptions there were
 */
export async function underLoad(
  lab: Lab,
  { codes, customers = 200, inFlight = 40, limitMs, jobsLimitMs, afterMs = 500 }: Siege,
  fault: (load: Load) => Promise<unknown>,
): Promise<{ wishes: readonly Wish[]; whole: Figure[] }> {
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
  const accepted = load.wishes.filter(({ outcome }) => outcome === 'ACCEPTED').length;
  return {
    wishes: load.wishes,
    whole: [
      { name: 'accepted', value: accepted, atLeast: 1 },
      // The customer is patient, and nothing stays broken.
      { name: 'neither accepted nor refused', value: load.wishes.length - accepted, exactly: 0 },
      { name: 'longest answer', value: Math.round(longestAnswer(load.wishes)), unit: 'ms' },
      ...(await verdict(lab, load.wishes, {
        ...(limitMs !== undefined && { limitMs }),
        ...(jobsLimitMs !== undefined && { jobsLimitMs }),
      })),
    ],
  };
}

/** Does it so often, with a pause of a random length of up to `pauseMs` before each. */
export async function again(
  times: number,
  { pauseMs, random }: { pauseMs: number; random: () => number },
  work: (turn: number) => Promise<unknown>,
): Promise<void> {
  for (let turn = 0; turn < times; turn++) {
    await sleep(random() * pauseMs);
    await work(turn);
  }
}

/** Milliseconds from a moment of the load until the first success that was answered after it. */
export function firstSuccessAfter(wishes: readonly Wish[], moment: number): number {
  const successes = wishes
    .flatMap(({ answers }) => answers)
    .filter(({ outcome, at, ms }) => outcome === 'ACCEPTED' && at + ms >= moment)
    .map(({ at, ms }) => at + ms - moment);
  return successes.length === 0 ? Number.POSITIVE_INFINITY : Math.min(...successes);
}
