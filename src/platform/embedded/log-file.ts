import { readFileSync } from 'node:fs';

/** The last five lines of a server's log, for errors about its start. */
export function lastLines(file: string): string {
  return readFileSync(file, 'utf8').trimEnd().split('\n').slice(-5).join('\n');
}
