import { Prisma } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { BATCH_ROWS, runInBatches } from '../../../platform/jobs/job-runs.ts';
import type { Services } from '../../../platform/services.ts';

/** What a login leaves behind. Each has an `id`, and an `expires_at` with an index. */
const TABLES = ['sessions', 'link_codes', 'pending_bindings'] as const;

/**
 * Forgets sessions, link codes and decisions about bindings thirty days after they could last have been used: until then
 * the token of an ended session is answered SESSION_REVOKED, later as one that never was.
 *
 * @param signal ends it after the batch that is under way
 * @returns how many were forgotten
 */
export async function forgetExpired({ db }: Pick<Services, 'db'>, signal?: AbortSignal): Promise<number> {
  let forgotten = 0;
  for (const table of TABLES) {
    const job = {
      name: `forget-${table.replace('_', '-')}`,
      batch: (tx: Transaction) => forgetBatch(tx, table),
    };
    forgotten += await runInBatches({ db }, job, signal);
  }
  return forgotten;
}

function forgetBatch(tx: Transaction, table: (typeof TABLES)[number]): Promise<{ id: string }[]> {
  const name = Prisma.raw(table);
  return tx.$queryRaw<{ id: string }[]>`
    DELETE FROM ${name} WHERE id IN (
      SELECT id FROM ${name} WHERE expires_at <= tessera_now() - interval '30 days'
      ORDER BY expires_at LIMIT ${BATCH_ROWS} FOR UPDATE SKIP LOCKED)
    RETURNING id`;
}
