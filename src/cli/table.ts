import type { Terminal } from './command.ts';

/** Shows rows aligned in columns, with a header; nothing without rows. All have the same keys. */
export function showTable({ show }: Pick<Terminal, 'show'>, rows: readonly Record<string, unknown>[]): void {
  for (const line of linesOf(rows)) show(line);
}

function linesOf(rows: readonly Record<string, unknown>[]): string[] {
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
