/**
 * What happens where a crash point is reached: it throws, hangs, ends the process; whatever a fault
 * test wants.
 */
export type Crash = () => void | Promise<void>;

const armed = new Map<string, Crash>();

/**
 * A place where a process may die, or a step may fail, without harm. It does nothing unless a test
 * has armed it.
 *
 * @param name `<verb>.<where>`, for example `acceptOrders.afterCommit`
 */
export async function crashPoint(name: string): Promise<void> {
  if (armed.size > 0) await armed.get(name)?.();
}

/** Arms a crash point; gives back what disarms it. */
export function armCrashPoint(name: string, crash: Crash): () => void {
  armed.set(name, crash);
  return () => armed.delete(name);
}

const CRASHES: Readonly<Record<string, Crash>> = {
  throw: () => {
    throw new Error('a crash point threw');
  },
  kill: () => {
    process.kill(process.pid, 'SIGKILL');
    // The signal takes a moment, in which nothing more may happen.
    return new Promise(() => {});
  },
  hang: () => new Promise((resolve) => setTimeout(resolve, 12_000)),
};

/**
 * Arms crash points of a process under test: `acceptOrders.afterCommit=kill,…`; with `throw:3` the
 * first three times only.
 *
 * @throws Error naming what cannot be read
 */
export function armCrashPoints(list: string): void {
  for (const entry of list.split(',')) {
    const [, name, kind = '', times] = /^([\w.]+)=([a-z]+)(?::(\d+))?$/.exec(entry) ?? [];
    const crash = CRASHES[kind];
    if (!name || !crash)
      throw new Error(
        `CRASH_POINTS: ${entry} must be name=throw, name=kill or name=hang, with :3 for three times`,
      );
    armCrashPoint(name, times === undefined ? crash : atFirst(Number(times), crash));
  }
}

function atFirst(times: number, crash: Crash): Crash {
  let left = times;
  return () => {
    if (left-- > 0) return crash();
  };
}
