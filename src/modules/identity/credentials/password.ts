import { availableParallelism } from 'node:os';
import { hash, verify } from '@node-rs/argon2';
import { z } from 'zod';
import { createSemaphore } from '../../../platform/concurrency/semaphore.ts';

/** Argon2id parameters: the first option of OWASP's Password Storage Cheat Sheet. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/**
 * One hash takes a core for tens of milliseconds. More hashes than cores would starve the event
 * loop.
 */
const hashing = createSemaphore(availableParallelism());

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

export const hashPassword = (password: string): Promise<string> => hashing(() => hash(password, COST));

/** Verified for unknown users, so that response times do not reveal which accounts exist. */
const dummyHash = hashPassword('');

/** Verifies a password. Without a hash it returns false, after the same time. */
export async function isPassword(
  password: string,
  passwordHash: string | null | undefined,
): Promise<boolean> {
  const matches = await hashing(async () => verify(passwordHash ?? (await dummyHash), password));
  return matches && passwordHash != null;
}
