import type { Database } from './database.ts';

type StateTable = { db: Pick<Database, 'serviceState'> };

/** Whether no start on this database has become ready yet: some may have failed half-way. */
export async function isFirstStart({ db }: StateTable): Promise<boolean> {
  return (await db.serviceState.count({ where: { firstStartFinishedAt: null } })) > 0;
}

/** Records that a start has become ready. Idempotent. */
export async function finishFirstStart({ db }: { db: Pick<Database, '$executeRaw'> }): Promise<void> {
  await db.$executeRaw`
    UPDATE service_state SET first_start_finished_at = tessera_now() WHERE first_start_finished_at IS NULL`;
}
