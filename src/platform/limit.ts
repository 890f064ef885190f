/** Runs what it is given, at most `atOnce` at a time and first come first served; passes on results and errors. */
export type Limit = <T>(work: () => Promise<T>) => Promise<T>;

export function createLimit(atOnce: number): Limit {
  const waiting: Array<() => void> = [];
  let running = 0;
  return async (work) => {
    if (running < atOnce) running += 1;
    // Whoever finishes hands its place on, so nobody who comes later can take it.
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next) next();
      else running -= 1;
    }
  };
}
