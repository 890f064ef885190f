/**
 * Serializes rows for `json_to_recordset`: one parameter for any number of rows. Bigints become
 * strings.
 */
export function toJson(rows: readonly object[]): string {
  return JSON.stringify(rows, (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
}

/** Escapes wildcards of LIKE, which Prisma passes through unescaped. */
export const escapeLike = (text: string) => text.replace(/[\\%_]/g, '\\$&');
