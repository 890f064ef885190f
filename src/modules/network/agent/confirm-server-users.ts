import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { checkRevision, LAST_BUCKET, unpackPosition } from './sync-step.ts';

/**
 * Notes up to where the agent of a server has applied its list. It never goes backwards; what was noted in another
 * database than this one, which a backup may bring along, does not count.
 *
 * @returns whether it is noted: false for what is older than what was confirmed before, and in the middle of a new list
 * @throws PlatformError BAD_USER_INPUT for a revision that nobody can have been given
 */
export async function confirmServerUsers(
  { db }: Pick<Services, 'db'>,
  { serverId, revision }: { serverId: string; revision: bigint },
): Promise<boolean> {
  checkRevision(revision, 'revision');
  const [horizon] = await db.$queryRaw<[{ isReached: boolean }]>`
    SELECT ${revision}::bigint >> 21 < pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS "isReached"`;
  if (!horizon.isReached) {
    const message = 'revision: is beyond everything that there is';
    throw new PlatformError('BAD_USER_INPUT', { field: 'revision', message });
  }
  const { isWalk, bucket } = unpackPosition(revision);
  if (isWalk && bucket < LAST_BUCKET) return false;
  const noted = await db.$executeRaw`
    UPDATE servers SET confirmed_revision = ${revision}::bigint
    WHERE id = ${serverId}::uuid AND (confirmed_revision IS NULL OR confirmed_revision <= ${revision}::bigint
      OR confirmed_revision >> 21 >= pg_snapshot_xmin(pg_current_snapshot())::text::bigint)`;
  return noted > 0;
}
