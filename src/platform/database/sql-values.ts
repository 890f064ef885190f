/** Rows as JSON for `json_to_recordset`: one parameter for any number of rows. 64-bit integers become strings. */
export function toJson(rows: readonly object[]): string {
  return JSON.stringify(rows, (_key, value: unknown) =>
    typeof value === 'bigint' ? value.toString() : value,
  );
}
