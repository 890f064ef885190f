import { z } from 'zod';
import { PlatformError } from '../errors.ts';

/** Version of the row that the client has edited. If absent or null, the last write wins. */
export const EditedVersion = z.int().nullish();

/**
 * Optimistic concurrency control: rejects an edit of a row that has changed since the client read
 * it. The caller must hold the row's lock, so that the second of two concurrent edits sees the
 * first, and must increment the version.
 *
 * @throws PlatformError EDIT_CONFLICT
 */
export function checkVersion(row: { version: number }, edited: number | null | undefined): void {
  if (edited != null && edited !== row.version) throw new PlatformError('EDIT_CONFLICT');
}

/** Omits absent fields, which an edit leaves unchanged. Null clears a field. */
export function given<Input extends object>(
  input: Input,
): { [Field in keyof Input]?: Exclude<Input[Field], undefined> } {
  return Object.fromEntries(Object.entries(input).filter(([, value]) => value !== undefined)) as never;
}
