import { hash, verify } from '@node-rs/argon2';
import { z } from 'zod';
import { createHashing } from './hashing.ts';

/** Argon2id parameters: the first option of OWASP's Password Storage Cheat Sheet. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** Of this process. */
const hashing = createHashing();

/**
 * The form in which passwords are hashed (RFC 8265, OpaqueString): keyboards send the same letters
 * composed or decomposed, and different spaces.
 */
const normalizePassword = (typed: string) => typed.replace(/\p{Zs}/gu, ' ').normalize('NFC');

/** Rules for new passwords. Existing passwords are not checked against them on login. */
export const NewPassword = z
  .string()
  .max(512, 'must have at most 128 characters')
  .transform(normalizePassword)
  .pipe(
    z
      .string()
      .min(8, 'must have at least 8 characters')
      .max(128, 'must have at most 128 characters')
      .regex(/^\P{Cc}*$/u, 'must not contain control characters, such as a line break'),
  );

/** Rejects an attempt that `isPassword` would reject now, before other work for it. */
export const ensureRoomToHash = (account: string): void => hashing.ensureRoom(account);

/**
 * Hashes a new password.
 *
 * @throws PlatformError RATE_LIMITED while many hashes of the client wait, SERVICE_UNAVAILABLE
 *   while many of any client do
 */
export const hashPassword = (password: string): Promise<string> =>
  hashing.run(undefined, () => hash(normalizePassword(password), COST));

/** Verified for unknown users, so that response times do not reveal which accounts exist. */
const dummyHash = hash('', COST);

/**
 * Verifies a password. Without a hash it returns false, after the same time. A password that was
 * hashed as it was typed, composed or decomposed, before there was a normal form, is still valid.
 *
 * @param account key of the account; one password of it is verified at a time
 * @throws PlatformError as `hashPassword`
 */
export async function isPassword(
  password: string,
  { account, passwordHash }: { account: string; passwordHash: string | null | undefined },
): Promise<boolean> {
  const forms = new Set([normalizePassword(password), password, password.normalize('NFD')]);
  const matches = await hashing.run(account, async () => {
    const stored = passwordHash ?? (await dummyHash);
    for (const form of forms) if (await verify(stored, form)) return true;
    return false;
  });
  return matches && passwordHash != null;
}
