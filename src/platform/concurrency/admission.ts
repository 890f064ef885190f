import { outsideRequestScope } from '../request-scope.ts';

/** Lets work that may use up an allowance begin only while what is under way cannot use up more than is left of it. */
export interface Admission {
  /**
   * Does the work once it is its turn; until then it waits.
   *
   * @param left how much of the key's allowance is left, 1 at least; rejects when there is none, and so does the turn
   */
  run<Result>(key: string, left: () => Promise<number>, work: () => Promise<Result>): Promise<Result>;
}

/** Costs one look at the allowance for all who wait at the same time. */
export function createAdmission(): Admission {
  const doors = new Map<string, AdmissionQueue>();
  return {
    run: async (key, left, work) => {
      const door = doors.get(key) ?? new AdmissionQueue();
      doors.set(key, door);
      try {
        await door.enter(left);
        return await work().finally(() => door.leave());
      } finally {
        if (door.isIdle && doors.get(key) === door) doors.delete(key);
      }
    },
  };
}

class AdmissionQueue {
  readonly #waiting: { resolve: () => void; reject: (reason: unknown) => void }[] = [];
  #inside = 0;
  #isOpening = false;
  #someoneLeft = () => {};

  get isIdle(): boolean {
    return this.#inside === 0 && this.#waiting.length === 0 && !this.#isOpening;
  }

  enter(left: () => Promise<number>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ resolve, reject });
      if (!this.#isOpening) void outsideRequestScope(() => this.#open(left));
    });
  }

  leave(): void {
    this.#inside -= 1;
    this.#someoneLeft();
  }

  async #open(left: () => Promise<number>): Promise<void> {
    this.#isOpening = true;
    try {
      while (this.#waiting.length > 0) await this.#letIn(left);
    } catch (reason) {
      for (const { reject } of this.#waiting.splice(0)) reject(reason);
    } finally {
      this.#isOpening = false;
    }
  }

  /** Those inside when the look begins may not be in its answer yet; whoever leaves meanwhile is counted twice at most. */
  async #letIn(left: () => Promise<number>): Promise<void> {
    const someoneLeft = new Promise<void>((resolve) => {
      this.#someoneLeft = resolve;
    });
    const inside = this.#inside;
    const free = (await left()) - inside;
    if (free <= 0) return someoneLeft;
    const next = this.#waiting.splice(0, free);
    this.#inside += next.length;
    for (const { resolve } of next) resolve();
  }
}
