import { deleteExpired } from '../../../platform/jobs/delete-expired.ts';
import type { Services } from '../../../platform/services.ts';
import { deleteOldTrafficReportsJob } from './delete-old-traffic-reports.job.ts';

/**
 * Deletes the keys of traffic reports 30 days after they were applied. A report that an agent
 * resends later than that is counted again.
 *
 * @param signal stops after the transaction in flight
 * @returns number of deleted rows
 */
export function deleteOldTrafficReports(
  services: Pick<Services, 'db'>,
  signal?: AbortSignal,
): Promise<number> {
  const { name } = deleteOldTrafficReportsJob;
  const key = 'server_id, boot_id, sequence';
  return deleteExpired(
    services,
    { name, table: 'traffic_reports', key, column: 'received_at', keep: '30 days' },
    signal,
  );
}
