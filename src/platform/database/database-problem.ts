import { type Database, lostSessionSettings } from './database.ts';

/**
 * Why a database that responds cannot be used: a standby, a server that refuses writes, or
 * connections without their session settings.
 */
export type DatabaseProblem = 'STANDBY' | 'READ_ONLY' | 'SESSION_SETTINGS';

/** @returns null if it can be used */
export async function databaseProblem({
  db,
}: {
  db: Pick<Database, '$queryRaw'>;
}): Promise<DatabaseProblem | null> {
  const [{ isStandby, isReadOnly }] = await db.$queryRaw<[{ isStandby: boolean; isReadOnly: boolean }]>`
    SELECT pg_is_in_recovery() AS "isStandby", current_setting('transaction_read_only') = 'on' AS "isReadOnly"`;
  if (isStandby) return 'STANDBY';
  if (isReadOnly) return 'READ_ONLY';
  return (await lostSessionSettings(db)).length > 0 ? 'SESSION_SETTINGS' : null;
}
