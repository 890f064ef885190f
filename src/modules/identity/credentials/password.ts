import { hash, verify } from '@node-rs/argon2';
import { z } from 'zod';
import { createHashing } from './hashing.ts';

/** Argon2id parameters: the first option of OWASP's Password Storage Cheat Sheet. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** Of this process. */
const hashing = createHashing();

/** Rules for new passwords. Existing passwords are not checked against them on login. */
export const NewPassword = z
  .string()
  .min(8, 'must have at least 8 characters')
  .max(128, 'must have at most 128 characters');

/** Normalizes an e-mail address to the form in which it is stored: trimmed and in lower case. */
export const EmailAddress = z
  .string()
  .trim()
  .max(254, 'must have at most 254 characters')
  .regex(/^[^\s@]+@[^\s@]+$/, 'must be an e-mail address')
  .toLowerCase();

/** Rejects an attempt that `isPassword` would reject now, before other work for it. */
export const ensureRoomToHash = (account: string): void => hashing.ensureRoom(account);

/**
 * Hashes a new password.
 *
 * @throws PlatformError RATE_LIMITED while many hashes of the client wait, SERVICE_UNAVAILABLE
 *   while many of any client do
 */
export const hashPassword = (password: string): Promise<string> =>
  hashing.run(undefined, () => hash(password, COST));

/** Verified for unknown users, so that response times do not reveal which accounts exist. */
const dummyHash = hash('', COST);

/**
 * Verifies a password. Without a hash it returns false, after the same time.
 *
 * @param account key of the account; one password of it is verified at a time
 * @throws PlatformError as `hashPassword`
 */
export async function isPassword(
  password: string,
  { account, passwordHash }: { account: string; passwordHash: string | null | undefined },
): Promise<boolean> {
  const matches = await hashing.run(account, async () => verify(passwordHash ?? (await dummyHash), password));
  return matches && passwordHash != null;
}
