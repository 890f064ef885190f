import { availableParallelism } from 'node:os';
import { createSemaphore } from '../../../platform/concurrency/semaphore.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { addressKey } from '../../../platform/redis/rate-limit.ts';
import { clientIp, requestScope } from '../../../platform/request-scope.ts';

/** Limits of password hashing, in one process. docs/limits.md lists them. */
export const HASHING_LIMITS = {
  /** Hashes that wait for a core. */
  waiting: 64,
  /** Hashes that wait for an earlier one of the same account or address. */
  waitingPerKey: 8,
} as const;

/** A hash takes a core for tens of milliseconds: one core is left for everything else. */
const CORES = Math.max(1, availableParallelism() - 1);

/** Runs work that hashes passwords. */
export interface Hashing {
  /** @param account key of the account; undefined for a new one */
  run<Result>(account: string | undefined, work: () => Promise<Result>): Promise<Result>;
  /**
   * Rejects what `run` would reject now. Call it before other work, such as reading the account.
   *
   * @throws PlatformError RATE_LIMITED, SERVICE_UNAVAILABLE
   */
  ensureRoom(account: string): void;
}

/**
 * Limits hashing: as many hashes as there are cores but one, one at a time for each account and
 * each client address, and a short queue, beyond which requests are rejected. Outside the request
 * limit: a request that waits here has left its slot.
 */
export function createHashing({ cores = CORES, address = addressOfClient } = {}): Hashing {
  const core = createSemaphore(cores);
  const keys = new KeyedQueue();
  let waiting = 0;
  const ensureCore = () => {
    if (waiting >= HASHING_LIMITS.waiting + cores) throw overloaded('SERVICE_UNAVAILABLE');
  };
  const onCore = async <Result>(work: () => Promise<Result>): Promise<Result> => {
    ensureCore();
    waiting += 1;
    try {
      return await core(work);
    } finally {
      waiting -= 1;
    }
  };
  return {
    run: async <Result>(account: string | undefined, work: () => Promise<Result>) => {
      const ip = address();
      const ofAccount = () => (account ? keys.run(`account ${account}`, () => onCore(work)) : onCore(work));
      // Always in this order, so that no two wait for each other.
      const ofAddress = () => (ip ? keys.run(`address ${ip}`, ofAccount) : ofAccount());
      return requestScope()?.slot?.leave(ofAddress) ?? ofAddress();
    },
    ensureRoom: (account) => {
      ensureCore();
      keys.ensureRoom(`account ${account}`);
      keys.ensureRoom(`address ${address()}`);
    },
  };
}

function addressOfClient(): string | undefined {
  const ip = clientIp();
  return ip ? addressKey(ip) : undefined;
}

const overloaded = (code: 'RATE_LIMITED' | 'SERVICE_UNAVAILABLE') =>
  new PlatformError(code, { retryAfterSeconds: 1 });

/** Runs work one after another for each key. */
class KeyedQueue {
  readonly #queues = new Map<string, { slot: ReturnType<typeof createSemaphore>; size: number }>();

  /** @throws PlatformError RATE_LIMITED if too much work waits under this key */
  ensureRoom(key: string): void {
    if ((this.#queues.get(key)?.size ?? 0) > HASHING_LIMITS.waitingPerKey) throw overloaded('RATE_LIMITED');
  }

  /** @throws PlatformError as `ensureRoom` */
  async run<Result>(key: string, work: () => Promise<Result>): Promise<Result> {
    this.ensureRoom(key);
    const queue = this.#queues.get(key) ?? { slot: createSemaphore(1), size: 0 };
    this.#queues.set(key, queue);
    queue.size += 1;
    try {
      return await queue.slot(work);
    } finally {
      queue.size -= 1;
      if (queue.size === 0) this.#queues.delete(key);
    }
  }
}
