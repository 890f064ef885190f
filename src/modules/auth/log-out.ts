import { databaseNow } from '../../platform/clock.ts';
import type { Services } from '../../platform/services.ts';
import { lockUsers } from '../user/lock-users.ts';
import { announceEndedSessions } from './announce-ended-sessions.ts';
import type { UserCaller } from './caller.ts';

/**
 * Ends the caller's session, or all of his.
 *
 * @returns the ids of the sessions that ended by it; running it again ends nothing more
 */
export async function logOut(
  services: Pick<Services, 'db' | 'cache' | 'pubSub'>,
  { caller, everywhere }: { caller: UserCaller; everywhere: boolean },
): Promise<string[]> {
  const ended = await services.db.$transaction(async (tx) => {
    await lockUsers(tx, [caller.userId]);
    return tx.session.updateManyAndReturn({
      where: { userId: caller.userId, revokedAt: null, ...(!everywhere && { id: caller.sessionId }) },
      data: { revokedAt: await databaseNow(tx) },
      select: { id: true },
    });
  });
  const ids = ended.map(({ id }) => id);
  await announceEndedSessions(services, ids);
  return ids;
}
