/** One line of a CSV file (RFC 4180), including CRLF. Null becomes an empty field. */
export function csvLine(fields: readonly (string | number | boolean | null)[]): string {
  return `${fields.map((field) => csvField(field ?? '')).join(',')}\r\n`;
}

/**
 * Spreadsheets interpret text that starts with these characters as a formula: CSV injection. Some
 * skip what is not visible before them, and some read full-width ones as plain ones.
 */
const FORMULA = /^(?:[\p{Cc}\u2028\u2029]|[\s\p{C}\p{DI}]*[=+\-@\u2212])/u;

/** At the beginning of a file, it makes Excel read UTF-8. */
export const BYTE_ORDER_MARK = '\ufeff';

function csvField(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value);
  const text = FORMULA.test(value.normalize('NFKC')) ? `'${value}` : value;
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
