import type { Device } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import type { Services } from '../../../platform/services.ts';
import { announce } from '../../kernel/announce.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { endSessions } from '../session/end-sessions.ts';
import { invalidateSessions } from '../session/invalidate-sessions.ts';
import { deleteDeviceRows } from './delete-device-rows.ts';
import { lockDevice } from './lock-device.ts';

/**
 * Enables or disables logins of a device. Disabling also revokes its session and closes its
 * sockets; the device stays bound to its account, even when that is closed. Enabling a device of a
 * closed account unbinds it, so that it can register again. Audited.
 *
 * @throws PlatformError NOT_FOUND
 */
export async function setDeviceEnabled(
  services: Pick<Services, 'db' | 'cache' | 'pubSub' | 'secrets'>,
  { actorId, id, enabled }: { actorId: string; id: string; enabled: boolean },
): Promise<Device> {
  const { device, endedSessionIds } = await services.db.$transaction(async (tx) => {
    const before = await lockDevice(tx, { id });
    const changed = await tx.device.update({ where: { id: before.id }, data: { enabled } });
    const ended = enabled ? [] : await endSessions(tx, { deviceId: before.id });
    if (enabled && (await isAccountClosed(tx, before.userId)))
      await deleteDeviceRows(tx, services.secrets, before);
    await recordAudit(tx, {
      action: 'setDeviceEnabled',
      actorId,
      targetId: before.id,
      before: { enabled: before.enabled },
      after: { enabled },
    });
    return { device: changed, endedSessionIds: ended };
  });
  await invalidateSessions(services, endedSessionIds);
  announce(services, { userIds: [device.userId] });
  return device;
}

const isAccountClosed = async (tx: Transaction, userId: string): Promise<boolean> =>
  (await tx.user.count({ where: { id: userId, deletedAt: { not: null } } })) > 0;
