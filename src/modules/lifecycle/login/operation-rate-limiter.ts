import { createKeyedRateLimiter, type Rate } from '../../../platform/concurrency/rate-limiter.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { addressKey } from '../../../platform/redis/rate-limit.ts';
import type { Caller } from '../../kernel/caller.ts';
import type { OwnAddresses } from '../../network/server/own-addresses.ts';

/**
 * Rates for one process. They are far above normal use, so that one client cannot starve others.
 */
export const OPERATION_RATES = {
  /** Executions of root fields. */
  user: { burst: 3_000, perSecond: 50 },
  agent: { burst: 6_000, perSecond: 100 },
  /** HTTP requests from one IPv4 address or /64 network, before authentication. */
  address: { burst: 12_000, perSecond: 200 },
} as const satisfies Record<string, Rate>;

/**
 * Limits the rate of operations in this process. Counts in memory, without a round trip to Redis.
 */
export interface OperationRateLimiter {
  /** Counts an HTTP request. @throws PlatformError RATE_LIMITED */
  countRequest(ip: string): Promise<void>;
  /** Counts an execution of a root field. @throws PlatformError RATE_LIMITED */
  countRootField(caller: Caller): void;
}

/** @param enabled false allows everything */
export function createOperationRateLimiter(
  { ownAddresses }: { ownAddresses: OwnAddresses },
  { enabled }: { enabled: boolean },
): OperationRateLimiter {
  if (!enabled) return { countRequest: async () => {}, countRootField: () => {} };
  const addresses = createKeyedRateLimiter(OPERATION_RATES.address);
  const users = createKeyedRateLimiter(OPERATION_RATES.user);
  const agents = createKeyedRateLimiter(OPERATION_RATES.agent);
  return {
    countRequest: async (ip) => {
      const seconds = addresses.take(addressKey(ip));
      // Users behind one of our own servers share its address.
      if (seconds > 0 && !(await ownAddresses.has(ip))) rejectFor(seconds);
    },
    countRootField: (caller) => {
      if (caller.kind === 'user') rejectFor(users.take(caller.userId));
      if (caller.kind === 'agent') rejectFor(agents.take(caller.serverId));
    },
  };
}

function rejectFor(retryAfterSeconds: number): void {
  if (retryAfterSeconds > 0) throw new PlatformError('RATE_LIMITED', { retryAfterSeconds });
}
