import type { Identity } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { EmailAddress, hashPassword, NewPassword } from '../../identity/credentials/password.ts';
import { endSessions } from '../../identity/session/end-sessions.ts';
import { invalidateSessions } from '../../identity/session/invalidate-sessions.ts';
import { announce } from '../../kernel/announce.ts';
import { lockUsers } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { type AdminCredentials, randomPassword } from './create-admin.ts';

/**
 * Restores access for an admin who has lost the password or was disabled: sets a new password,
 * enables the account and revokes its sessions. Audited without an actor.
 *
 * @param password generated if absent
 * @throws PlatformError BAD_USER_INPUT; NOT_FOUND when no admin has this e-mail address
 */
export async function resetAdmin(
  services: Pick<Services, 'db' | 'cache' | 'pubSub'>,
  { email, password }: { email: string; password?: string | undefined },
): Promise<AdminCredentials> {
  const value = checkInput(EmailAddress, email, 'email');
  const chosen = checkInput(NewPassword, password ?? randomPassword(), 'password');
  const passwordHash = await hashPassword(chosen);
  const { userId, endedSessionIds } = await services.db.$transaction(async (tx) => {
    const admin = await lockAdmin(tx, value);
    await tx.identity.update({ where: { id: admin.id }, data: { passwordHash } });
    await tx.user.update({ where: { id: admin.userId }, data: { enabled: true } });
    const ended = await endSessions(tx, { userId: admin.userId });
    await recordAudit(tx, {
      action: 'resetAdmin',
      actorId: null,
      targetId: admin.userId,
      before: { enabled: admin.user.enabled },
      after: { enabled: true, endedSessionIds: ended },
    });
    return { userId: admin.userId, endedSessionIds: ended };
  });
  await invalidateSessions(services, endedSessionIds);
  announce(services, { userIds: [userId] });
  return { email: value, generatedPassword: password === undefined ? chosen : null };
}

async function lockAdmin(tx: Transaction, email: string): Promise<Identity & { user: { enabled: boolean } }> {
  const find = () =>
    tx.identity.findUnique({
      where: { type_value: { type: 'EMAIL', value: email }, user: { role: 'ADMIN' } },
      include: { user: { select: { enabled: true } } },
    });
  const before = await find();
  if (before) await lockUsers(tx, [before.userId]);
  const admin = before && (await find());
  if (!admin) throw new PlatformError('NOT_FOUND', { message: `No admin has the e-mail address ${email}.` });
  return admin;
}
