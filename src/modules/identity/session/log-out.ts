import type { Services } from '../../../platform/services.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { lockUsers } from '../../kernel/locks.ts';
import { endSessions } from './end-sessions.ts';
import { invalidateSessions } from './invalidate-sessions.ts';
import { revokeAccess } from './revoke-access.ts';

/**
 * Revokes the caller's session or, with `everywhere`, all sessions, link codes and confirmation
 * tokens of the user. Idempotent.
 *
 * @returns the ids of the sessions that this call revoked
 */
export async function logOut(
  services: Pick<Services, 'db' | 'cache' | 'pubSub'>,
  { caller, everywhere }: { caller: UserCaller; everywhere: boolean },
): Promise<string[]> {
  const endedSessionIds = await services.db.$transaction(async (tx) => {
    const { userId, sessionId: id } = caller;
    await lockUsers(tx, [userId]);
    return everywhere ? revokeAccess(tx, { userId }) : endSessions(tx, { userId, id });
  });
  await invalidateSessions(services, endedSessionIds);
  return endedSessionIds;
}
