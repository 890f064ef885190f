import { z } from 'zod';
import { PlatformError } from './errors.ts';

/**
 * Holds an input to its schema.
 *
 * @param field where the input stands in the arguments; the fault's own path is put behind it
 * @throws PlatformError BAD_USER_INPUT naming the first field at fault
 */
export function checkInput<Schema extends z.ZodType>(
  schema: Schema,
  input: unknown,
  field = 'input',
): z.output<Schema> {
  const parsed = schema.safeParse(input);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  const path = [field, ...(issue?.path ?? []), ...unknownKey(issue)].join('.');
  throw new PlatformError('BAD_USER_INPUT', {
    field: path,
    message: `${path}: ${issue?.message ?? 'not valid'}`,
  });
}

const LONGEST_NAME = 50;

/** A key that the schema does not have stands at fault itself, not the object that it is in. */
function unknownKey(issue: z.core.$ZodIssue | undefined): string[] {
  return issue?.code === 'unrecognized_keys'
    ? issue.keys.slice(0, 1).map((key) => key.slice(0, LONGEST_NAME))
    : [];
}

/** Absent and null mean the same, and give the fallback. */
export const orElse = <Schema extends z.ZodType>(schema: Schema, fallback: z.output<Schema>) =>
  schema.nullish().transform((value): z.output<Schema> => value ?? fallback);

/** Absent and null mean the same, and give null. */
export const orNull = <Schema extends z.ZodType>(schema: Schema) =>
  schema.nullish().transform((value) => value ?? null);

/** Absent and null mean the same, and change nothing. */
export const orUnchanged = <Schema extends z.ZodType>(schema: Schema) =>
  schema.nullish().transform((value) => value ?? undefined);

const Uuid = z.guid();

/**
 * Lets ids through that could be ids.
 *
 * @param field the argument it came in, where there are several
 * @throws PlatformError NOT_FOUND: what is no id names nothing
 */
export function checkId(id: string, field?: string): string {
  if (!Uuid.safeParse(id).success) throw new PlatformError('NOT_FOUND', field === undefined ? {} : { field });
  return id.toLowerCase();
}
