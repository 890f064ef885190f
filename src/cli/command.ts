import type { ParseArgsConfig } from 'node:util';
import type { Config } from '../config.ts';
import type { ConnectedServices } from '../connect.ts';

/** Dependencies of a command. */
export interface Tools {
  services: ConnectedServices;
  config: Config;
  /** Prints a line of the result to standard output. */
  show: (line: string) => void;
  /** Prints a line for the operator to standard error. */
  say: (line: string) => void;
  /** Reads standard input to its end, without the trailing line break. */
  readInput: () => Promise<string>;
}

/** A command of `npm run tessera`. */
export interface Command {
  /** The words that select the command: `admin create`. */
  name: string;
  /** Continues the command's name in a sentence: `creates …`. */
  summary: string;
  options: NonNullable<ParseArgsConfig['options']>;
  /** Descriptions of the options, one per line. */
  help: string;
  run: (tools: Tools, values: Values) => Promise<void>;
}

export type Values = Record<string, string | boolean | undefined>;

/** The command line is invalid. The message is for the operator. */
export class UsageError extends Error {}

/** @throws UsageError if the option is missing */
export function requiredOption(values: Values, option: string): string {
  const value = values[option];
  if (typeof value === 'string') return value;
  throw new UsageError(`--${option} is required.`);
}

/** @throws UsageError if the value is not a whole number */
export function wholeNumber(values: Values, option: string): number | undefined {
  const value = values[option];
  if (value === undefined) return undefined;
  if (typeof value === 'string' && /^\d{1,9}$/.test(value)) return Number(value);
  throw new UsageError(`--${option} must be a whole number, not ${value}.`);
}
