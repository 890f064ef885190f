import { createRateLimiter } from '../concurrency/rate-limiter.ts';
import type { Logger } from '../logger.ts';
import { requestScope } from '../request-scope.ts';

/** More lines would fill the disk while PostgreSQL is unavailable. */
const RATE = { burst: 20, perSecond: 2 };

/** Logs outages that requests meet: one line for each request, at a limited rate. */
export type OutageLog = (err: unknown, log: Pick<Logger, 'warn'>) => void;

export function createOutageLog(rate = RATE): OutageLog {
  const isWithinRate = createRateLimiter(rate);
  let suppressed = 0;
  return (err, log) => {
    const scope = requestScope();
    if (scope?.isOutageLogged) return;
    if (scope) scope.isOutageLogged = true;
    if (!isWithinRate()) {
      suppressed += 1;
      return;
    }
    log.warn({ err, ...(suppressed > 0 && { suppressed }) }, 'request failed: dependency unavailable');
    suppressed = 0;
  };
}
