import { createKeyedRateLimiter, type Rate } from '../../../platform/concurrency/rate-limiter.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { addressKey } from '../../../platform/redis/rate-limit.ts';
import type { Services } from '../../../platform/services.ts';
import type { Caller } from '../../kernel/caller.ts';
import { isOurServer } from '../../network/server/own-addresses.ts';

/** What each may ask of one process. Nobody who means well comes near; whoever does has no more of us than others. */
export const OPERATION_RATES = {
  /** Root fields, each execution counted. */
  user: { burst: 3_000, perSecond: 50 },
  agent: { burst: 6_000, perSecond: 100 },
  /** HTTP requests from one address (/64), whoever sends them. */
  address: { burst: 12_000, perSecond: 200 },
} as const satisfies Record<string, Rate>;

/** Counts what is asked of this process, without asking anybody else. */
export interface OperationBudget {
  /** Counts an HTTP request. @throws PlatformError RATE_LIMITED */
  spendRequest(ip: string): Promise<void>;
  /** Counts an execution of a root field. @throws PlatformError RATE_LIMITED */
  spend(caller: Caller): void;
}

/** @param enabled false: nothing is counted */
export function createOperationBudget(
  services: Pick<Services, 'db'>,
  { enabled }: { enabled: boolean },
): OperationBudget {
  if (!enabled) return { spendRequest: async () => {}, spend: () => {} };
  const addresses = createKeyedRateLimiter(OPERATION_RATES.address);
  const users = createKeyedRateLimiter(OPERATION_RATES.user);
  const agents = createKeyedRateLimiter(OPERATION_RATES.agent);
  return {
    spendRequest: async (ip) => {
      const seconds = addresses.take(addressKey(ip));
      // Many users share the address of one of our own servers.
      if (seconds > 0 && !(await isOurServer(services, ip))) refuse(seconds);
    },
    spend: (caller) => {
      if (caller.kind === 'user') refuse(users.take(caller.userId));
      if (caller.kind === 'agent') refuse(agents.take(caller.serverId));
    },
  };
}

function refuse(retryAfterSeconds: number): void {
  if (retryAfterSeconds > 0) throw new PlatformError('RATE_LIMITED', { retryAfterSeconds });
}
