import { createKeyedRateLimiter, type Rate } from '../../../platform/concurrency/rate-limiter.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { addressKey, wideKey } from '../../../platform/redis/rate-limit.ts';
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
  const narrow = { addresses, strangers: createKeyedRateLimiter(OPERATION_RATES.anonymous) };
  const wide = {
    addresses: createKeyedRateLimiter(tenfold(OPERATION_RATES.address)),
    strangers: createKeyedRateLimiter(tenfold(OPERATION_RATES.anonymous)),
  };
  /** Counts the /64 and, ten times as high, the /48, or our own server, whose users share it. */
  const take = async (kind: 'addresses' | 'strangers', ip: string, events: number) => {
    const key = addressKey(ip);
    const network = wideKey(key);
    const seconds = Math.max(narrow[kind].take(key, events), network ? wide[kind].take(network, events) : 0);
    // Most requests are within the limit, and need not know whose address it is.
    if (seconds > 0)
      rejectFor((await ownAddresses.has(ip)) ? wide[kind].take(`own ${key}`, events) : seconds);
  };
  const chargeKnown: OperationRateLimiter['chargeKnown'] = (caller, statements) =>
    rejectFor(
      caller.kind === 'user'
        ? users.take(caller.userId, statements)
        : agents.take(caller.serverId, statements),
    );
  return {
    countRequest: (ip) => take('addresses', ip, 1),
    charge: async (caller, { ip, statements }) => {
      if (caller.kind === 'anonymous') return take('strangers', ip, statements);
      chargeKnown(caller, statements);
    },
    chargeKnown,
  };
}

const tenfold = ({ burst, perSecond }: Rate): Rate => ({ burst: 10 * burst, perSecond: 10 * perSecond });

function rejectFor(retryAfterSeconds: number): void {
  if (retryAfterSeconds > 0) throw new PlatformError('RATE_LIMITED', { retryAfterSeconds });
}
