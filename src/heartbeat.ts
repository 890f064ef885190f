import { renewUserLists } from './modules/network/agent/renew-user-lists.ts';
import { repeat } from './platform/concurrency/repeat.ts';
import { type DatabaseProblem, databaseProblem } from './platform/database/database-problem.ts';
import { followSecretKey, SecretKeyError } from './platform/keys/secret-key.ts';
import type { Logger } from './platform/logger.ts';
import { withoutRepeats } from './platform/repeated-log.ts';
import { type OwnProcess, reportProcess } from './platform/service-processes.ts';
import type { Services } from './platform/services.ts';

/** Why a process cannot serve although PostgreSQL responds. */
export type Problem = DatabaseProblem | 'SECRET_KEY';

export interface Heartbeat {
  /** Null if the process can serve. */
  problem: () => Problem | null;
  stop: () => Promise<void>;
}

const EVERY_MS = 5_000;

type BeatServices = Pick<Services, 'db' | 'secrets'> & { log: Pick<Logger, 'warn'> };

/**
 * Checks regularly that the database is still the one of this process, and says that the process
 * runs. Follows a rotation of the secret key, and notices that the database was restored or a
 * standby took over.
 */
export function startHeartbeat(
  services: Pick<Services, 'db' | 'secrets' | 'log'>,
  own: OwnProcess,
): Heartbeat {
  let problem: Problem | null = null;
  const quiet = { ...services, log: withoutRepeats(services.log) };
  const repetition = repeat(
    async () => {
      const found = await beat(quiet, own);
      if (found && found !== problem) services.log.error({ problem: found }, 'not ready: see /readyz');
      problem = found;
    },
    { everyMs: EVERY_MS, log: services.log },
  );
  return {
    problem: () => problem,
    stop: repetition.stop,
  };
}

async function beat(services: BeatServices, own: OwnProcess): Promise<Problem | null> {
  const problem = await databaseProblem(services);
  if (problem) return problem;
  try {
    await followSecretKey(services);
  } catch (error) {
    if (error instanceof SecretKeyError) return 'SECRET_KEY';
    throw error;
  }
  await reportProcess(services, own);
  await warnOfOpenTransaction(services);
  if (await renewUserLists(services)) {
    services.log.warn('another database than before: all agents read whole user lists');
  }
  return null;
}

const OPEN_SECONDS = 10;

/** Our own transactions end after eight seconds. */
async function warnOfOpenTransaction({ db, log }: BeatServices): Promise<void> {
  const [open] = await db.$queryRaw<{ pid: number; application: string; since: Date }[]>`
    SELECT pid, application_name AS application, xact_start AS since
    FROM pg_stat_activity
    WHERE datname = current_database() AND backend_xid IS NOT NULL
      AND xact_start < now() - ${OPEN_SECONDS}::int * interval '1 second'
    ORDER BY xact_start LIMIT 1`;
  if (open) log.warn(open, 'an open transaction delays the updates of agents');
}
