/** Prints a line. */
export function say(line = '') {
  process.stdout.write(`${line}\n`);
}

export const whole = (number) => Math.round(number).toLocaleString('en-US');

/** Nearest-rank percentile of sorted numbers. */
export function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.ceil(sorted.length * share) - 1)] ?? Number.NaN;
}
