/** Until when a request must have been answered. */
export interface Deadline {
  /** Milliseconds that are left; 0 once it has passed, infinite once the answer has gone out. */
  leftMs(): number;
  /** Gives the request so long from its beginning, if that is longer. */
  extend(totalMs: number): void;
}

/**
 * Does the work, and gives up on it when it takes too long: the caller has his answer then, and what the work
 * would still have begun is refused by whoever looks at the deadline (`deadlineAdapter` does, for SQL).
 *
 * @param work is given the deadline, to pass on to what it calls
 */
export async function withinDeadline<Result>(
  totalMs: number,
  work: (deadline: Deadline) => Promise<Result>,
  tooLate: () => Result,
): Promise<Result> {
  const beganAt = performance.now();
  let endsAt = beganAt + totalMs;
  let isAnswered = false;
  let timer: NodeJS.Timeout | undefined;
  const deadline: Deadline = {
    leftMs: () => (isAnswered ? Number.POSITIVE_INFINITY : Math.max(0, endsAt - performance.now())),
    extend: (longerMs) => {
      endsAt = Math.max(endsAt, beganAt + longerMs);
    },
  };
  const late = new Promise<Result>((resolve) => {
    const look = () => {
      const leftMs = deadline.leftMs();
      if (leftMs === 0) resolve(tooLate());
      else timer = setTimeout(look, leftMs);
    };
    timer = setTimeout(look, totalMs);
  });
  try {
    return await Promise.race([
      work(deadline).finally(() => {
        isAnswered = true;
      }),
      late,
    ]);
  } finally {
    clearTimeout(timer);
  }
}
