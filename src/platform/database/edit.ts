import { z } from 'zod';
import { PlatformError } from '../errors.ts';

/** The version that an edit was made on. Absent and null: the last write wins. */
export const EditedVersion = z.int().nullish();

/**
 * Refuses an edit of something that somebody else has changed since. The row is locked, then read, so that of two edits
 * at once the second one sees the first; whoever writes it raises its version.
 *
 * @throws PlatformError EDIT_CONFLICT
 */
export function checkVersion(row: { version: number }, edited: number | null | undefined): void {
  if (edited != null && edited !== row.version) throw new PlatformError('EDIT_CONFLICT');
}

/** What an edit gives: a field that is absent stays as it is, one that is null is cleared. */
export function given<Input extends object>(
  input: Input,
): { [Field in keyof Input]?: Exclude<Input[Field], undefined> } {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined)) as never;
}
