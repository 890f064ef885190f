import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { ServiceProcess } from '../generated/prisma/client.ts';
import type { Transaction } from './database/database.ts';
import type { RotatingSecrets } from './keys/secrets.ts';
import { ownVersion } from './own-package.ts';

/** This process, as the others see it. */
export interface OwnProcess {
  id: string;
  /** `all`, `api`, `worker`, or `command` for a shell command. */
  role: string;
}

export const newProcess = (role: string): OwnProcess => ({ id: randomUUID(), role });

/** A process that was last seen longer ago has ended. */
export const ALIVE_SECONDS = 15;

type Reading = Pick<Transaction, '$queryRaw'>;

/**
 * Registers this process, or says that it still runs and which secret key it uses. Deletes
 * processes that ended long ago.
 */
export async function reportProcess(
  { db, secrets }: { db: Pick<Transaction, '$executeRaw'>; secrets: RotatingSecrets },
  { id, role }: OwnProcess,
): Promise<void> {
  const { fingerprint, fingerprints } = secrets;
  await db.$executeRaw`
    WITH ended AS (DELETE FROM service_processes WHERE last_seen_at < tessera_now() - interval '1 minute' AND id <> ${id}::uuid)
    INSERT INTO service_processes (id, role, host, pid, version, secret_fingerprints, seals_with)
    VALUES (${id}::uuid, ${role}, ${hostname()}, ${process.pid}, ${ownVersion()}, ${[...fingerprints]}::bytea[], ${fingerprint})
    ON CONFLICT (id) DO UPDATE SET last_seen_at = tessera_now(), seals_with = excluded.seals_with`;
}

export async function removeProcess(
  { db }: { db: Pick<Transaction, '$executeRaw'> },
  { id }: OwnProcess,
): Promise<void> {
  await db.$executeRaw`DELETE FROM service_processes WHERE id = ${id}::uuid`;
}

/** The processes of the service that run, oldest first. Those before version 0.2 are unknown. */
export function readProcesses({ db }: { db: Reading }): Promise<ServiceProcess[]> {
  return db.$queryRaw<ServiceProcess[]>`
    SELECT id, role, host, pid, version, secret_fingerprints AS "secretFingerprints", seals_with AS "sealsWith",
      started_at AS "startedAt", last_seen_at AS "lastSeenAt"
    FROM service_processes WHERE last_seen_at > tessera_now() - ${ALIVE_SECONDS}::int * interval '1 second'
    ORDER BY started_at, id`;
}
