import { randomBytes } from 'node:crypto';
import { violatedConstraint } from '../../../platform/database/database.ts';
import { checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { EmailAddress } from '../../identity/credentials/email-address.ts';
import { hashPassword, NewPassword } from '../../identity/credentials/password.ts';
import { AuthError } from '../../kernel/auth.errors.ts';
import { recordAudit } from '../../kernel/record-audit.ts';

/** Credentials of a new or reset admin. */
export interface AdminCredentials {
  email: string;
  /** In plaintext, to be shown once; null when the caller chose the password. */
  generatedPassword: string | null;
}

/** 120 random bits in a form that people can copy. */
export const randomPassword = () => randomBytes(15).toString('base64url');

/**
 * Creates an admin account. Audited without an actor.
 *
 * @param password generated if absent
 * @throws PlatformError BAD_USER_INPUT; AuthError EMAIL_TAKEN
 */
export async function createAdmin(
  { db }: Pick<Services, 'db'>,
  { email, password }: { email: string; password?: string | undefined },
): Promise<AdminCredentials> {
  const value = checkInput(EmailAddress, email, 'email');
  const chosen = checkInput(NewPassword, password ?? randomPassword(), 'password');
  const identity = { type: 'EMAIL', value, passwordHash: await hashPassword(chosen) } as const;
  try {
    await db.$transaction(async (tx) => {
      const { id } = await tx.user.create({ data: { role: 'ADMIN', identities: { create: identity } } });
      await recordAudit(tx, { action: 'createAdmin', actorId: null, targetId: id });
    });
  } catch (error) {
    throw violatedConstraint(error) === 'identities_type_value_key' ? new AuthError('EMAIL_TAKEN') : error;
  }
  return { email: value, generatedPassword: password === undefined ? chosen : null };
}
