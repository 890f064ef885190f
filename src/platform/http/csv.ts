/** One line of a CSV file as RFC 4180 has it, its end included; null is an empty field. */
export function csvLine(fields: readonly (string | number | boolean | null)[]): string {
  return `${fields.map((field) => csvField(field ?? '')).join(',')}\r\n`;
}

/** Programs that show tables take text that begins like this for a formula, and would run it. */
const FORMULA = /^[=+\-@\t\r]/;

function csvField(value: string | number | boolean): string {
  if (typeof value !== 'string') return String(value);
  const text = FORMULA.test(value) ? `'${value}` : value;
  return /[",\r\n]|^\s|\s$/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
