/** Effect of a crash point: throws, hangs or kills the process. */
export type Crash = () => void | Promise<void>;

const armed = new Map<string, Crash>();

/**
 * Marks a place where a crash or failure must do no harm. No-op unless a fault test has armed it.
 *
 * @param name `<verb>.<where>`, for example `acceptOrders.afterCommit`
 */
export async function crashPoint(name: string): Promise<void> {
  if (armed.size > 0) await armed.get(name)?.();
}

/** @returns a function that disarms the crash point */
export function armCrashPoint(name: string, crash: Crash): () => void {
  armed.set(name, crash);
  return () => armed.delete(name);
}

const CRASHES: Readonly<Record<string, Crash>> = {
  throw: () => {
    throw new Error('thrown by a crash point');
  },
  kill: () => {
    process.kill(process.pid, 'SIGKILL');
    // Never resolves: nothing may run until the signal takes effect.
    return new Promise(() => {});
  },
  hang: () => new Promise((resolve) => setTimeout(resolve, 12_000)),
};

/**
 * Arms crash points from an environment variable: `acceptOrders.afterCommit=kill,…`. With
 * `throw:3`, only the first three times.
 *
 * @throws Error naming the invalid entry
 */
export function armCrashPoints(list: string): void {
  for (const entry of list.split(',')) {
    const [, name, kind = '', times] = /^([\w.]+)=([a-z]+)(?::(\d+))?$/.exec(entry) ?? [];
    const crash = CRASHES[kind];
    if (!name || !crash)
      throw new Error(
        `CRASH_POINTS: ${entry} must be name=throw, name=kill or name=hang, optionally with :3 for the first three times`,
      );
    armCrashPoint(name, times === undefined ? crash : firstTimes(Number(times), crash));
  }
}

function firstTimes(times: number, crash: Crash): Crash {
  let left = times;
  return () => {
    if (left-- > 0) return crash();
  };
}
