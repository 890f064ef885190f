import { setTimeout as sleep } from 'node:timers/promises';
import type pg from 'pg';
import { MigrationError } from './migration-connection.ts';

/** Key of the advisory lock for migrations. Any number, but the same in all versions. */
const LOCK = 7_270_836;

const POLL_MS = 250;
const SAY_AFTER_MS = 2_000;
const SAY_EVERY_MS = 30_000;
const GIVE_UP_AFTER_MS = 10 * 60_000;

interface Holder {
  pid: number;
  name: string;
}

/**
 * Waits until no other process migrates this database. The connection holds the lock until it is
 * closed. Polls, because a statement that waits would hold a snapshot, for which an index that is
 * built concurrently waits.
 *
 * @param say is called with the process that holds the lock
 * @throws MigrationError after ten minutes
 */
export async function lockMigrations(client: pg.Client, say: (line: string) => void): Promise<void> {
  const startedAt = Date.now();
  let sayAt = startedAt + SAY_AFTER_MS;
  while (!(await tryLock(client))) {
    const now = Date.now();
    if (now >= sayAt) {
      const holder = await findHolder(client);
      if (holder && now - startedAt >= GIVE_UP_AFTER_MS) throw new MigrationError(leftBehind(holder));
      if (holder) say(`Database: waiting for the migrations of another process (${holder.name}) …`);
      sayAt = now + SAY_EVERY_MS;
    }
    await sleep(POLL_MS);
  }
}

async function tryLock(client: pg.Client): Promise<boolean> {
  const { rows } = await client.query<{ isLocked: boolean }>(
    'SELECT pg_try_advisory_lock($1) AS "isLocked"',
    [LOCK],
  );
  return rows[0]?.isLocked === true;
}

async function findHolder(client: pg.Client): Promise<Holder | undefined> {
  const { rows } = await client.query<Holder>(
    `SELECT l.pid, concat_ws(', ', 'pid ' || l.pid, nullif(a.application_name, ''), host(a.client_addr)) AS name
     FROM pg_locks l LEFT JOIN pg_stat_activity a USING (pid)
     WHERE l.locktype = 'advisory' AND l.classid = 0 AND l.objid = $1 AND l.granted
       AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())`,
    [LOCK],
  );
  return rows[0];
}

const leftBehind = ({ pid, name }: Holder) =>
  `Another connection (${name}) has held the lock for migrations for ten minutes. If no process is ` +
  `migrating, end it: SELECT pg_terminate_backend(${pid})`;
