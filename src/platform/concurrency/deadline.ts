/** Time limit for the response to a request. */
export interface Deadline {
  /** Remaining milliseconds: 0 after the deadline, infinite once the request has been answered. */
  leftMs(): number;
  /** Moves the deadline to `totalMs` after the start of the request. Never shortens it. */
  extend(totalMs: number): void;
}

/**
 * Runs the work, and returns `tooLate()` if it misses the deadline. The work isn't interrupted;
 * further steps have to check the deadline, as `deadlineAdapter` does for SQL. Work that returns a
 * result without waiting for anything needs no timer.
 *
 * Unlike `withTimeLimit`, the limit can be extended during the work.
 */
export async function withinDeadline<Result>(
  totalMs: number,
  work: (deadline: Deadline) => Result | Promise<Result>,
  tooLate: () => Result,
): Promise<Result> {
  const startedAt = performance.now();
  let endsAt = startedAt + totalMs;
  let isAnswered = false;
  let timer: NodeJS.Timeout | undefined;
  const deadline: Deadline = {
    leftMs: () => (isAnswered ? Number.POSITIVE_INFINITY : Math.max(0, endsAt - performance.now())),
    extend: (longerMs) => {
      endsAt = Math.max(endsAt, startedAt + longerMs);
    },
  };
  const result = work(deadline);
  if (!(result instanceof Promise)) return result;
  const late = new Promise<Result>((resolve) => {
    const check = () => {
      const leftMs = deadline.leftMs();
      if (leftMs === 0) resolve(tooLate());
      else timer = setTimeout(check, leftMs);
    };
    timer = setTimeout(check, totalMs);
  });
  try {
    return await Promise.race([
      result.finally(() => {
        isAnswered = true;
      }),
      late,
    ]);
  } finally {
    clearTimeout(timer);
  }
}
