/** Rows as JSON for `json_to_recordset`: one parameter for any number of rows. 64-bit integers become strings. */
export function toJson(rows: readonly object[]): string {
  return JSON.stringify(rows, (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
}

/** A text that stands for itself in LIKE: Prisma passes on what that reads as wildcards. */
export const escapeLike = (text: string) => text.replace(/[\\%_]/g, '\\$&');
