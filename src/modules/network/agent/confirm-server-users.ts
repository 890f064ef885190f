import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { cursorSql, HORIZON_SQL, LAST_BUCKET, unpackCursor } from '../user-list-cursor.ts';
import { checkRevision } from './sync-step.ts';

const CONFIRMED = cursorSql('confirmed_revision');

/**
 * Records how far an agent has applied its list. The confirmed revision never goes backwards,
 * except when it lies beyond the horizon: then it belongs to another database, of which this one is
 * a copy.
 *
 * @returns false if the revision is older than the confirmed one, or in the middle of a new list;
 *   nothing is recorded then
 * @throws PlatformError BAD_USER_INPUT when the revision is negative or beyond the horizon
 */
export async function confirmServerUsers(
  { db }: Pick<Services, 'db'>,
  { serverId, revision }: { serverId: string; revision: bigint },
): Promise<boolean> {
  checkRevision(revision, 'revision');
  const cursor = unpackCursor(revision);
  const [horizon] = await db.$queryRaw<[{ isReached: boolean }]>`
    SELECT ${cursor.revision}::bigint < ${HORIZON_SQL} AS "isReached"`;
  if (!horizon.isReached) {
    const message = 'revision: must be one that this server received';
    throw new PlatformError('BAD_USER_INPUT', { field: 'revision', message });
  }
  if (cursor.isScan && cursor.bucket < LAST_BUCKET) return false;
  const updated = await db.$executeRaw`
    UPDATE servers SET confirmed_revision = ${revision}::bigint
    WHERE id = ${serverId}::uuid AND (confirmed_revision IS NULL OR confirmed_revision <= ${revision}::bigint
      OR ${CONFIRMED.revision} >= ${HORIZON_SQL})`;
  return updated > 0;
}
