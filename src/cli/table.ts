/**
 * Aligns rows in columns, with a header.
 *
 * @param rows with the same keys each
 * @returns no lines without rows
 */
export function table(rows: readonly Record<string, unknown>[]): string[] {
  const [first] = rows;
  if (!first) return [];
  const cells = [Object.keys(first), ...rows.map((row) => Object.values(row).map(textOf))];
  const widths = Object.keys(first).map((_, at) => Math.max(...cells.map((line) => line[at]?.length ?? 0)));
  return cells.map((line) =>
    line
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

function textOf(value: unknown): string {
  if (value === null || value === undefined) return '-';
  return value instanceof Date ? value.toISOString() : String(value);
}
