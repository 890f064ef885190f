import { PlatformError } from '../../platform/errors.ts';

/**
 * A revision as an agent shows it; null for none.
 *
 * @throws PlatformError BAD_USER_INPUT for one that is negative
 */
export function checkRevision(revision: bigint | null, field: string): bigint | null {
  if (revision !== null && revision < 0n) {
    throw new PlatformError('BAD_USER_INPUT', { field, message: `${field}: must not be negative` });
  }
  return revision;
}
