import { hostname } from 'node:os';
import { Prisma, type ServiceProcess } from '../generated/prisma/client.ts';
import type { Transaction } from './database/database.ts';
import type { RotatingSecrets } from './keys/secrets.ts';
import { ownVersion } from './own-package.ts';

/** This process, as the others see it. */
export interface OwnProcess {
  id: string;
  /** `all`, `api`, `worker`, or `command` for a shell command. */
  role: string;
}

/** A process that was last seen longer ago has ended. */
const ALIVE_SECONDS = 15;

/** SQL condition on a row of `service_processes`: the process runs. */
export const RUNS_SQL = `ended_at IS NULL AND last_seen_at > tessera_now() - interval '${ALIVE_SECONDS} seconds'`;

type Reading = Pick<Transaction, '$queryRaw'>;

/**
 * Registers this process, or says that it still runs and which secret key it uses. Deletes
 * processes that ended a day ago.
 */
export async function reportProcess(
  { db, secrets }: { db: Pick<Transaction, '$executeRaw'>; secrets: RotatingSecrets },
  { id, role }: OwnProcess,
): Promise<void> {
  const { fingerprint, fingerprints } = secrets;
  await db.$executeRaw`
    WITH ended AS (DELETE FROM service_processes WHERE last_seen_at < tessera_now() - interval '1 day' AND id <> ${id}::uuid)
    INSERT INTO service_processes (id, role, host, pid, version, secret_fingerprints, seals_with)
    VALUES (${id}::uuid, ${role}, ${hostname()}, ${process.pid}, ${ownVersion()}, ${[...fingerprints]}::bytea[], ${fingerprint})
    ON CONFLICT (id) DO UPDATE SET last_seen_at = tessera_now(), ended_at = NULL, seals_with = excluded.seals_with`;
}

/** Says that this process ends. Otherwise the others notice 15 s later. */
export async function reportEnd(
  { db }: { db: Pick<Transaction, '$executeRaw'> },
  { id }: OwnProcess,
): Promise<void> {
  await db.$executeRaw`UPDATE service_processes SET ended_at = tessera_now() WHERE id = ${id}::uuid`;
}

/** The processes of the service that run, oldest first. Those before version 0.2 are unknown. */
export function readProcesses({ db }: { db: Reading }): Promise<ServiceProcess[]> {
  return db.$queryRaw<ServiceProcess[]>`
    SELECT id, role, host, pid, version, secret_fingerprints AS "secretFingerprints", seals_with AS "sealsWith",
      started_at AS "startedAt", last_seen_at AS "lastSeenAt", ended_at AS "endedAt"
    FROM service_processes WHERE ${Prisma.raw(RUNS_SQL)}
    ORDER BY started_at, id`;
}
