import { availableParallelism } from 'node:os';
import { hash, verify } from '@node-rs/argon2';
import { z } from 'zod';
import { createSemaphore } from '../../../platform/concurrency/semaphore.ts';

/** Argon2id with the memory and passes that OWASP's password storage sheet names first. */
const COST = { memoryCost: 19_456, timeCost: 2, parallelism: 1 };

/** A hash keeps a core busy for tens of milliseconds: one per core at a time, or nothing else is answered. */
const oneForEachCore = createSemaphore(availableParallelism());

/** A password that somebody chooses. */
export const NewPassword = z
  .string()
  .min(8, 'must have at least 8 characters')
  .max(128, 'must have at most 128 characters');

/** An e-mail address as it is stored: in lower case. */
export const EmailAddress = z
  .string()
  .trim()
  .max(254, 'must have at most 254 characters')
  .regex(/^[^\s@]+@[^\s@]+$/, 'must be an e-mail address')
  .toLowerCase();

export const hashPassword = (password: string): Promise<string> => oneForEachCore(() => hash(password, COST));

/** Somebody unknown costs as much as somebody known: the time does not tell who has an account. */
const nobody = hashPassword('');

/** Whether it is the password of that hash; without a hash it takes as long, and is not. */
export async function isPassword(
  password: string,
  passwordHash: string | null | undefined,
): Promise<boolean> {
  const matches = await oneForEachCore(async () => verify(passwordHash ?? (await nobody), password));
  return matches && passwordHash != null;
}
