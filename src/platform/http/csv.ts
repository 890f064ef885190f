/** One line of a CSV file (RFC 4180), including CRLF. Null becomes an empty field. */
export function csvLine(fields: readonly (string | number | boolean | null)[]): string {
  return `${fields.map((field) => csvField(field ?? '')).join(',')}\r\n`;
}

/** Spreadsheets interpret text that starts with these characters as a formula: CSV injection. */
const FORMULA = /^[=+\-@\t\r]/;

function csvField(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value);
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
