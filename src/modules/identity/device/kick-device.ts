import type { Device } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { endSessions } from '../session/end-sessions.ts';
import { invalidateSessions } from '../session/invalidate-sessions.ts';
import { lockDevice } from './lock-device.ts';

/**
 * Revokes the session of a device and closes its sockets. The device stays bound and enabled, and
 * may log in again immediately. Audited.
 *
 * @throws PlatformError NOT_FOUND
 */
export async function kickDevice(
  services: Pick<Services, 'db' | 'cache' | 'pubSub'>,
  { actorId, id }: { actorId: string; id: string },
): Promise<Device> {
  const { device, endedSessionIds } = await services.db.$transaction(async (tx) => {
    const kicked = await lockDevice(tx, { id });
    const ended = await endSessions(tx, { deviceId: kicked.id });
    await recordAudit(tx, {
      action: 'kickDevice',
      actorId,
      targetId: kicked.id,
      after: { endedSessionIds: ended },
    });
    return { device: kicked, endedSessionIds: ended };
  });
  await invalidateSessions(services, endedSessionIds);
  announce(services, { userIds: [device.userId] });
  return device;
}
