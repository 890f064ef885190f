/** One line for the person at the terminal. */
export function say(line = '') {
  process.stdout.write(`${line}\n`);
}

export const whole = (number) => Math.round(number).toLocaleString('en-US');

/** The value that this share of the sorted values does not exceed. */
export function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
