import type { ResetCycle } from '../../generated/prisma/client.ts';
import { addMonths } from '../plan/unit-time.ts';

/** When the traffic counters of a subscription first start again from zero; null when they never do. */
export function firstReset(cycle: ResetCycle, startsAt: Date): Date | null {
  switch (cycle) {
    case 'NEVER':
      return null;
    case 'MONTHLY_FIRST':
      return new Date(Date.UTC(startsAt.getUTCFullYear(), startsAt.getUTCMonth() + 1, 1));
    case 'MONTHLY_START_DAY':
      return addMonths(startsAt, 1);
    case 'YEARLY':
      return addMonths(startsAt, 12);
  }
}
