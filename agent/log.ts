/** Prints a line with the time. */
export type Log = (line: string) => void;

export const log: Log = (line) => void process.stdout.write(`${new Date().toISOString()} ${line}\n`);

/** The message of anything that was thrown. */
export const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
