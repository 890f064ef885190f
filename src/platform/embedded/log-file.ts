import { readFileSync } from 'node:fs';

/** The end of a server's log, for people who want to know why it did not start. */
export function lastLines(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-5).join('\n');
}
