import type { Services } from '../../../platform/services.ts';
import { AuthError } from '../../kernel/auth.errors.ts';
import { type AdminCredentials, createAdmin } from './create-admin.ts';

/**
 * Creates the first admin. Idempotent: does nothing if any admin exists, also when several
 * processes start concurrently.
 *
 * @returns null when an admin exists already
 * @throws Error when the address belongs to an account that is not an admin
 */
export async function ensureAdmin(
  { db }: Pick<Services, 'db'>,
  { email, password }: { email: string; password: string | undefined },
): Promise<AdminCredentials | null> {
  if (await hasAdmin({ db })) return null;
  try {
    return await createAdmin({ db }, { email, password });
  } catch (error) {
    if (!(error instanceof AuthError && error.code === 'EMAIL_TAKEN')) throw error;
    if (await hasAdmin({ db })) return null;
    throw new Error(
      `ADMIN_EMAIL: ${email} belongs to an account that is not an admin. Choose another address.`,
    );
  }
}

async function hasAdmin({ db }: Pick<Services, 'db'>): Promise<boolean> {
  return (await db.user.count({ where: { role: 'ADMIN', deletedAt: null } })) > 0;
}
