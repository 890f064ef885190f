import { randomBytes } from 'node:crypto';
import { violatedConstraint } from '../../platform/database.ts';
import type { Services } from '../../platform/services.ts';
import { recordAudit } from '../audit/record-audit.ts';
import { EmailAddress, hashPassword } from './password.ts';

/** The first admin, just made. */
export interface FirstAdmin {
  email: string;
  /** Shown once, and only when it was not given. */
  generatedPassword: string | null;
}

/**
 * Makes the first admin. Where there is one already, nothing happens; of processes that start at once, one makes it.
 *
 * @throws Error when the address belongs to an account that is no admin
 */
export async function ensureAdmin(
  { db }: Pick<Services, 'db'>,
  { email, password }: { email: string; password: string | undefined },
): Promise<FirstAdmin | null> {
  if ((await db.user.count({ where: { role: 'ADMIN', deletedAt: null } })) > 0) return null;
  const chosen = password ?? randomBytes(15).toString('base64url');
  const identity = {
    type: 'EMAIL',
    value: EmailAddress.parse(email),
    passwordHash: await hashPassword(chosen),
  } as const;
  try {
    await db.$transaction(async (tx) => {
      const { id } = await tx.user.create({ data: { role: 'ADMIN', identities: { create: identity } } });
      await recordAudit(tx, { action: 'createAdmin', actorId: null, targetId: id });
    });
  } catch (error) {
    if (violatedConstraint(error) !== 'identities_type_value_key') throw error;
    return takenByAnother({ db }, email);
  }
  return { email: identity.value, generatedPassword: password === undefined ? chosen : null };
}

async function takenByAnother({ db }: Pick<Services, 'db'>, email: string): Promise<null> {
  if ((await db.user.count({ where: { role: 'ADMIN', deletedAt: null } })) > 0) return null;
  throw new Error(`ADMIN_EMAIL: ${email} belongs to an account that is no admin. Choose another address.`);
}
