import type { Device, Session } from '../../../generated/prisma/client.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { lockUsers } from '../../kernel/locks.ts';
import { endSessions } from './end-sessions.ts';
import { invalidateSessions } from './invalidate-sessions.ts';

/**
 * Revokes one of the caller's sessions and closes its sockets. Idempotent.
 *
 * @throws PlatformError NOT_FOUND, also for a session of another user
 */
export async function revokeSession(
  services: Pick<Services, 'db' | 'cache' | 'pubSub'>,
  { caller: { userId }, id }: { caller: UserCaller; id: string },
): Promise<Session & { device: Device | null }> {
  const where = { id: checkId(id), userId };
  const { session, endedSessionIds } = await services.db.$transaction(async (tx) => {
    await lockUsers(tx, [userId]);
    const ended = await endSessions(tx, where);
    return {
      session: await tx.session.findUnique({ where, include: { device: true } }),
      endedSessionIds: ended,
    };
  });
  if (!session) throw new PlatformError('NOT_FOUND');
  await invalidateSessions(services, endedSessionIds);
  announce(services, { userIds: [userId] });
  return session;
}
