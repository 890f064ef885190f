import { deleteExpired } from '../../../platform/jobs/delete-expired.ts';
import type { Services } from '../../../platform/services.ts';

const TABLES = ['sessions', 'link_codes', 'pending_bindings'] as const;

/**
 * Deletes sessions, link codes and pending bindings 30 days after they expired. Until then the
 * refresh token of a revoked session fails with SESSION_REVOKED; afterwards it fails like an
 * unknown token, with UNAUTHENTICATED.
 *
 * @param signal stops the sweep after the transaction in flight
 * @returns how many rows were deleted
 */
export async function deleteExpiredLogins(
  services: Pick<Services, 'db'>,
  signal?: AbortSignal,
): Promise<number> {
  let deleted = 0;
  for (const table of TABLES) {
    const name = `forget-${table.replace('_', '-')}`;
    const rows = { name, table, key: 'id', column: 'expires_at', keep: '30 days' };
    deleted += await deleteExpired(services, rows, signal);
  }
  return deleted;
}
