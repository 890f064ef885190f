import type { Transaction } from '../../../platform/database/database.ts';
import { BATCH_ROWS, runInBatches } from '../../../platform/jobs/job-runs.ts';
import type { Services } from '../../../platform/services.ts';
import { forgetTrafficReportsJob } from './forget-traffic-reports.job.ts';

/**
 * Forgets which reports were applied 30 days ago or earlier. No agent sends one again after so long; it would be
 * counted again.
 *
 * @returns how many were forgotten
 */
export function forgetTrafficReports({ db }: Pick<Services, 'db'>, signal?: AbortSignal): Promise<number> {
  return runInBatches({ db }, { name: forgetTrafficReportsJob.name, batch: forgetBatch }, signal);
}

function forgetBatch(tx: Transaction): Promise<{ sequence: bigint }[]> {
  return tx.$queryRaw<{ sequence: bigint }[]>`
    DELETE FROM traffic_reports WHERE (server_id, boot_id, sequence) IN (
      SELECT server_id, boot_id, sequence FROM traffic_reports
      WHERE received_at <= tessera_now() - interval '30 days'
      ORDER BY received_at LIMIT ${BATCH_ROWS} FOR UPDATE SKIP LOCKED)
    RETURNING sequence`;
}
