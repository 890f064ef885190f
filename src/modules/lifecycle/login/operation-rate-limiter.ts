import { createKeyedRateLimiter, type Rate } from '../../../platform/concurrency/rate-limiter.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { addressKey } from '../../../platform/redis/rate-limit.ts';
import type { Caller } from '../../kernel/caller.ts';
import type { OwnAddresses } from '../../network/server/own-addresses.ts';

/**
 * Rates for one process. They are far above normal use, so that one client cannot starve others.
 */
export const OPERATION_RATES = {
  /** SQL statements that operations could run, of a signed-in user. */
  user: { burst: 3_000, perSecond: 50 },
  agent: { burst: 6_000, perSecond: 100 },
  /** The same for callers without a session, from one IPv4 address or /64 network. */
  anonymous: { burst: 3_000, perSecond: 50 },
  /** HTTP requests from one address, before authentication. */
  address: { burst: 12_000, perSecond: 200 },
} as const satisfies Record<string, Rate>;

/**
 * Limits the rate of operations in this process. Counts in memory, without a round trip to Redis.
 */
export interface OperationRateLimiter {
  /** Counts an HTTP request. @throws PlatformError RATE_LIMITED */
  countRequest(ip: string): Promise<void>;
  /**
   * Charges an operation to its caller, before it executes; without a session, to the address.
   *
   * @throws PlatformError RATE_LIMITED
   */
  charge(caller: Caller, operation: { ip: string; statements: number }): Promise<void>;
  /** The same for callers with a session or token, without waiting. */
  chargeKnown(caller: Exclude<Caller, { kind: 'anonymous' }>, statements: number): void;
}

/** @param enabled false allows everything */
export function createOperationRateLimiter(
  { ownAddresses }: { ownAddresses: OwnAddresses },
  { enabled }: { enabled: boolean },
): OperationRateLimiter {
  if (!enabled) return { countRequest: async () => {}, charge: async () => {}, chargeKnown: () => {} };
  const addresses = createKeyedRateLimiter(OPERATION_RATES.address);
  const users = createKeyedRateLimiter(OPERATION_RATES.user);
  const agents = createKeyedRateLimiter(OPERATION_RATES.agent);
  const strangers = createKeyedRateLimiter(OPERATION_RATES.anonymous);
  // Users behind one of our own servers share its address.
  const rejectStranger = async (ip: string, seconds: number) => {
    if (seconds > 0 && !(await ownAddresses.has(ip))) rejectFor(seconds);
  };
  const chargeKnown: OperationRateLimiter['chargeKnown'] = (caller, statements) =>
    rejectFor(
      caller.kind === 'user'
        ? users.take(caller.userId, statements)
        : agents.take(caller.serverId, statements),
    );
  return {
    countRequest: (ip) => rejectStranger(ip, addresses.take(addressKey(ip))),
    charge: async (caller, { ip, statements }) => {
      if (caller.kind === 'anonymous') return rejectStranger(ip, strangers.take(addressKey(ip), statements));
      chargeKnown(caller, statements);
    },
    chargeKnown,
  };
}

function rejectFor(retryAfterSeconds: number): void {
  if (retryAfterSeconds > 0) throw new PlatformError('RATE_LIMITED', { retryAfterSeconds });
}
