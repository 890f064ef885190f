import { randomInt } from 'node:crypto';
import { resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { type RunningProcess, startProcess } from '../process.ts';

/** What an attack has come to. */
export interface Outcome {
  attack: string;
  figure: string;
  bound: string;
  ok: boolean;
}

/** How long and how hard; whole, or short enough for every test run. */
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
  /** Bounds of time are for a machine that does nothing else; a test run shares it. */
  patience: number;
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
    patience: 1,
  },
};
const SHORT: Force = {
  ...{ isWhole: false, documents: 200, floods: 3, guesses: 450, users: 10, readers: 10 },
  ...{ messages: 500, handshakes: 100, idle: 100, slow: 20, looks: 30, samples: 20, patience: 20 },
};

export const force: Force = process.env.ATTACK === 'whole' ? WHOLE : SHORT;

/** Printed with the outcomes; the same seed makes the same documents and guesses. */
export const seed = Number(process.env.ATTACK_SEED ?? randomInt(2 ** 31));

export type Random = (below: number) => number;

/** mulberry32: small, quick, and the same everywhere. */
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
  /** Bytes in use once its garbage is gone. */
  memory(): Promise<number>;
  /** Whether it answers. */
  answers(): Promise<boolean>;
}

/** @param main another program than the product */
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
  const said = () => [...running.output().matchAll(/^inside \d+ (\d+)$/gm)];
  return {
    ...running,
    memory: async () => {
      const before = said().length;
      running.signal('SIGWINCH');
      for (let waited = 0; said().length === before && waited < 15_000; waited += 20) await sleep(20);
      return Number(said().at(-1)?.[1]);
    },
    answers: () =>
      fetch(`${running.url}/livez`).then(
        ({ status }) => status === 200,
        () => false,
      ),
  };
}

/** Does the work for each number below `count`, so many at a time. */
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

/** The value that this share of the numbers does not exceed. */
export function percentile(numbers: readonly number[], share: number): number {
  const sorted = [...numbers].sort((one, other) => one - other);
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}

export const ms = (number: number) => `${number.toFixed(1)} ms`;
export const mb = (bytes: number) => `${(bytes / 1_048_576).toFixed(1)} MB`;

/** What must be in no answer. */
export const LEAK = /prisma|select |node_modules|\.ts:|ECONN|postgres|redis:\/\//i;
