import { outsideRequestScope } from '../request-scope.ts';
import { SECOND_MS } from './clock.ts';
import type { Database } from './database.ts';

/** How long a measured difference is used. Clocks drift by milliseconds in this time. */
const MEASUREMENT_MS = 60 * SECOND_MS;
const RETRY_MS = SECOND_MS;

/** PostgreSQL's clock, for decisions that cannot afford a statement each. */
export interface DatabaseClock {
  /** Unix time in milliseconds: never behind PostgreSQL's clock, and at most a round trip ahead. */
  now: () => Promise<number>;
  /** The same without waiting; undefined before the first measurement. */
  peek: () => number | undefined;
}

/**
 * Creates a clock that adds a measured difference to the clock of the host. Only the first call
 * waits for a measurement; later ones run in the background while the clock is in use. While
 * PostgreSQL is unreachable, the last difference stays in use; without any, the host's clock
 * counts.
 */
export function createDatabaseClock({ db }: { db: Pick<Database, '$queryRaw'> }): DatabaseClock {
  let differenceMs = 0;
  let measureAt = 0;
  let first: Promise<void> | undefined;
  let isMeasured = false;
  const measure = async () => {
    const startedAt = Date.now();
    measureAt = startedAt + MEASUREMENT_MS;
    try {
      const [{ clock }] = await db.$queryRaw<[{ clock: Date }]>`SELECT tessera_now() AS clock`;
      differenceMs = clock.getTime() - startedAt;
      isMeasured = true;
    } catch {
      // Statements that need an answer report the outage.
      measureAt = startedAt + RETRY_MS;
    }
  };
  return {
    now: async () => {
      if (Date.now() >= measureAt) {
        const measured = outsideRequestScope(measure);
        first ??= measured;
      }
      await first;
      return Date.now() + differenceMs;
    },
    peek: () => (isMeasured ? Date.now() + differenceMs : undefined),
  };
}
