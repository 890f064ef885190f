import { z } from 'zod';
import type { Identity, User } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { normalizeEmail } from '../../../platform/email.ts';

/** An e-mail address to store, in its one form. */
export const EmailAddress = z
  .string()
  .max(320, 'must have at most 254 characters')
  .transform((typed, context) => {
    const address = normalizeEmail(typed);
    if (address !== undefined) return address;
    context.addIssue({ code: 'custom', message: 'must be an e-mail address' });
    return z.NEVER;
  });

/**
 * An e-mail address to look up. Addresses were once stored in other forms, which are still valid
 * to log in with.
 */
export const KnownEmailAddress = z
  .string()
  .trim()
  .max(254, 'must have at most 254 characters')
  .regex(/^[^\s@]+@[^\s@]+$/, 'must be an e-mail address');

/** The form in which addresses were stored before they had one form. */
const formerForm = (typed: string) => typed.trim().toLowerCase();

/**
 * Finds the identity of an e-mail address, as it is typed. One that is stored exactly like this
 * comes before the one with the normal form.
 */
export async function findEmailIdentity(
  db: Pick<Transaction, 'identity'>,
  typed: string,
): Promise<(Identity & { user: User }) | null> {
  const former = formerForm(typed);
  const forms = [...new Set([former, normalizeEmail(typed) ?? former])];
  const found = await db.identity.findMany({
    where: { type: 'EMAIL', value: { in: forms } },
    include: { user: true },
  });
  return found.find(({ value }) => value === former) ?? found[0] ?? null;
}
