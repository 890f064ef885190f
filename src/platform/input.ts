import { z } from 'zod';
import { PlatformError } from './errors.ts';

/** Most invalid fields that an error names. */
export const MAX_FIELDS = 20;

/**
 * Validates an input.
 *
 * @param field argument that holds the input; prefix of the paths in the error
 * @throws PlatformError BAD_USER_INPUT naming the invalid fields
 */
export function checkInput<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  field = 'input',
): z.output<Schema> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const fields = parsed.error.issues.slice(0, MAX_FIELDS).map((issue) => {
    const path = [field, ...issue.path, ...unknownKey(issue)].join('.');
    return { path, message: `${path}: ${issue.message}` };
  });
  const [first = { path: field, message: `${field}: is invalid` }] = fields;
  throw new PlatformError('BAD_USER_INPUT', {
    field: first.path,
    message: first.message,
    ...(fields.length > 1 && { fields }),
  });
}

const MAX_KEY_LENGTH = 50;

/**
 * The path of an unrecognized key ends at its object; this adds the key, truncated because clients
 * choose it.
 */
function unknownKey(issue: z.core.$ZodIssue): string[] {
  return issue.code === 'unrecognized_keys'
    ? issue.keys.slice(0, 1).map((key) => key.slice(0, MAX_KEY_LENGTH))
    : [];
}

/** Absent and null become the fallback. */
export const orElse = <Schema extends z.ZodType>(schema: Schema, fallback: z.output<Schema>) =>
  schema.nullish().transform((value): z.output<Schema> => value ?? fallback);

/** Absent and null become null. */
export const orNull = <Schema extends z.ZodType>(schema: Schema) =>
  schema.nullish().transform((value) => value ?? null);

/** Absent and null become undefined, which leaves a field unchanged. */
export const orUnchanged = <Schema extends z.ZodType>(schema: Schema) =>
  schema.nullish().transform((value) => value ?? undefined);

const Uuid = z.guid();

export const isId = (text: string): boolean => Uuid.safeParse(text).success;

/**
 * Validates and lowercases an id. Malformed ids get the same error as unknown ones.
 *
 * @param field argument that holds the id, if the operation has several
 * @throws PlatformError NOT_FOUND
 */
export function checkId(id: string, field?: string): string {
  if (!isId(id)) throw new PlatformError('NOT_FOUND', field === undefined ? {} : { field });
  return id.toLowerCase();
}
