import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { type RunningProcess, startProcess } from '../process.ts';

/** The outcome of one attack, with its bound. */
export interface Outcome {
  attack: string;
  figure: string;
  bound: string;
  ok: boolean;
}

/** The size of each attack: whole for `npm run attack`, short for `npm test`. */
export interface Force {
  isWhole: boolean;
  documents: number;
  floods: number;
  guesses: number;
  users: number;
  readers: number;
  messages: number;
  handshakes: number;
  idle: number;
  slow: number;
  looks: number;
  samples: number;
  /** Duration of each attack with root fields. */
  rootFieldsMs: number;
  /** Documents of each shape and caller. */
  retained: number;
  /** Multiplies the time bounds, because `npm test` shares the machine. */
  slack: number;
}

const WHOLE: Force = {
  ...{ isWhole: true, documents: 10_000, floods: 20, guesses: 100_000, users: 200, readers: 200 },
  ...{
    messages: 10_000,
    handshakes: 10_000,
    idle: 5_000,
    slow: 1_000,
    looks: 300,
    samples: 2_000,
    rootFieldsMs: 20_000,
    retained: 5_000,
    slack: 1,
  },
};
const SHORT: Force = {
  ...{ isWhole: false, documents: 200, floods: 3, guesses: 450, users: 10, readers: 10 },
  ...{
    messages: 500,
    handshakes: 100,
    idle: 100,
    slow: 20,
    looks: 30,
    samples: 20,
    rootFieldsMs: 2_500,
    retained: 30,
    slack: 20,
  },
};

export const force: Force = process.env.ATTACK === 'whole' ? WHOLE : SHORT;

/** Seed of all random documents and guesses; set ATTACK_SEED to repeat a run. */
export const seed = Number(process.env.ATTACK_SEED ?? randomInt(2 ** 31));

export type Random = (below: number) => number;

/** mulberry32. */
export function seeded(from: number): Random {
  let state = from;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32) * below);
  };
}

/** A process under attack. */
export interface Target extends RunningProcess {
  /** Bytes in use after garbage collection. */
  memory(): Promise<number>;
  /** Whether `/livez` responds with 200. */
  isAlive(): Promise<boolean>;
}

/** @param main a main file other than the product's */
export async function startTarget(settings: {
  directory: string;
  env: Record<string, string>;
  main?: string;
}): Promise<Target> {
  const inside = pathToFileURL(resolve('test/support/attack/inside.mjs')).href;
  const running = await startProcess({
    ...settings,
    env: { ...settings.env, NODE_OPTIONS: `--import ${inside}` },
  });
  const readings = () => [...running.output().matchAll(/^inside \d+ (\d+)$/gm)];
  return {
    ...running,
    memory: async () => {
      const before = readings().length;
      running.signal('SIGWINCH');
      for (let waited = 0; readings().length === before && waited < 15_000; waited += 20) await sleep(20);
      return Number(readings().at(-1)?.[1]);
    },
    isAlive: () =>
      fetch(`${running.url}/livez`).then(
        ({ status }) => status === 200,
        () => false,
      ),
  };
}

/** Runs the work for each number below `count`, in `lanes` concurrent loops. */
export async function inLanes(
  count: number,
  lanes: number,
  work: (place: number, lane: number) => Promise<void>,
): Promise<void> {
  let next = 0;
  const lane = async (number: number) => {
    while (next < count) await work(next++, number);
  };
  await Promise.all(Array.from({ length: Math.min(lanes, count) }, (_, number) => lane(number)));
}

/** Nearest-rank percentile of numbers in any order. */
export function percentile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

export const ms = (number: number) => `${number.toFixed(1)} ms`;
export const mb = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MB`;

/** Text that must not appear in any response. */
export const LEAK = /prisma|select |node_modules|\.ts:|ECONN|postgres|redis:\/\//i;
