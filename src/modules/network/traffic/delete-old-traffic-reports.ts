import type { Services } from '../../../platform/services.ts';
import { deleteExpired } from '../../kernel/delete-expired.ts';
import { deleteOldTrafficReportsJob } from './delete-old-traffic-reports.job.ts';

/**
 * Deletes the keys of traffic reports 30 days after they were applied. An agent that repeats an
 * older report has it counted again.
 *
 * @param signal stops it after the transaction in flight
 * @returns how many rows were deleted
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
