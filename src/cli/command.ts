import type { ParseArgsConfig } from 'node:util';
import type { Config } from '../config.ts';
import type { Services } from '../platform/services.ts';

/** What a command works with. */
export interface Tools {
  services: Services;
  config: Config;
  /** A line of the result, to standard output. */
  show: (line: string) => void;
  /** A line for the person at the terminal, to standard error. */
  say: (line: string) => void;
  /** What was piped in, without the line break at its end. */
  readInput: () => Promise<string>;
}

/** Something that an operator can do from a shell on a machine of the service. */
export interface Command {
  /** As it is typed: `admin create`. */
  name: string;
  /** What it does, in a line. */
  summary: string;
  options: NonNullable<ParseArgsConfig['options']>;
  /** Lines that tell the options. */
  help: string;
  run: (tools: Tools, values: Values) => Promise<void>;
}

export type Values = Record<string, string | boolean | undefined>;

/** What was typed is no command of ours; the message is for people. */
export class UsageError extends Error {}

/** @throws UsageError when the option was not given */
export function needed(values: Values, option: string): string {
  const value = values[option];
  if (typeof value === 'string') return value;
  throw new UsageError(`--${option} is needed.`);
}

/** @throws UsageError when what was given is no whole number */
export function wholeNumber(values: Values, option: string): number | undefined {
  const value = values[option];
  if (value === undefined) return undefined;
  if (typeof value === 'string' && /^\d{1,9}$/.test(value)) return Number(value);
  throw new UsageError(`--${option} must be a whole number, not ${value}.`);
}
