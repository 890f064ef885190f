import type { Identity } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkInput } from '../../../platform/input.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import type { Services } from '../../../platform/services.ts';
import { findEmailIdentity, KnownEmailAddress } from '../../identity/credentials/email-address.ts';
import { hashPassword, NewPassword } from '../../identity/credentials/password.ts';
import { deleteDeviceRows } from '../../identity/device/delete-device-rows.ts';
import { invalidateSessions } from '../../identity/session/invalidate-sessions.ts';
import { revokeAccess } from '../../identity/session/revoke-access.ts';
import { announce } from '../../kernel/announce.ts';
import { lockUsers } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { type AdminCredentials, randomPassword } from './create-admin.ts';

/**
 * Restores access for an admin who has lost the password, was disabled or whose account was taken
 * over: sets a new password and enables the account. Revokes every other way in: sessions, link
 * codes, confirmation tokens and bound devices. Wrong passwords are counted per password, so those
 * counted before don't limit the new one. Audited without an actor.
 *
 * @param password generated if absent
 * @throws PlatformError BAD_USER_INPUT; NOT_FOUND when no admin has this e-mail address
 */
export async function resetAdmin(
  services: Pick<Services, 'db' | 'cache' | 'pubSub' | 'secrets'>,
  { email, password }: { email: string; password?: string | undefined },
): Promise<AdminCredentials> {
  const value = checkInput(KnownEmailAddress, email, 'email');
  const chosen = checkInput(NewPassword, password ?? randomPassword(), 'password');
  const passwordHash = await hashPassword(chosen);
  const { userId, address, endedSessionIds } = await services.db.$transaction(async (tx) => {
    const admin = await lockAdmin(tx, value);
    await tx.identity.update({ where: { id: admin.id }, data: { passwordHash } });
    await tx.user.update({ where: { id: admin.userId }, data: { enabled: true } });
    const ended = await revokeAccess(tx, { userId: admin.userId });
    const unboundDeviceIds = await unbindDevices(tx, services.secrets, admin.userId);
    await recordAudit(tx, {
      action: 'resetAdmin',
      actorId: null,
      targetId: admin.userId,
      before: { enabled: admin.user.enabled },
      after: { enabled: true, endedSessionIds: ended, unboundDeviceIds },
    });
    return { userId: admin.userId, address: admin.value, endedSessionIds: ended };
  });
  await invalidateSessions(services, endedSessionIds);
  announce(services, { userIds: [userId] });
  return { email: address, generatedPassword: password === undefined ? chosen : null };
}

/**
 * Unbinds all devices except disabled ones: these cannot log in, and would not be disabled any more
 * if they registered again.
 */
async function unbindDevices(tx: Transaction, secrets: Secrets, userId: string): Promise<string[]> {
  const devices = await tx.device.findMany({ where: { userId, enabled: true }, orderBy: { id: 'asc' } });
  for (const device of devices) await deleteDeviceRows(tx, secrets, device);
  return devices.map(({ id }) => id);
}

async function lockAdmin(tx: Transaction, email: string): Promise<Identity & { user: { enabled: boolean } }> {
  const find = async () => {
    const identity = await findEmailIdentity(tx, email);
    return identity?.user.role === 'ADMIN' ? identity : null;
  };
  const before = await find();
  if (before) await lockUsers(tx, [before.userId]);
  const admin = before && (await find());
  if (!admin) throw new PlatformError('NOT_FOUND', { message: `No admin has the e-mail address ${email}.` });
  return admin;
}
