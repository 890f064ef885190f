import type { ParseArgsConfig } from 'node:util';
import type { Config } from '../config.ts';
import type { ConnectedServices } from '../connect.ts';
import type { ServiceSettings } from '../platform/services.ts';

/** Input and output of a command. */
export interface Terminal {
  /** Prints a line of the result to standard output. */
  show: (line: string) => void;
  /** Prints a line for the operator to standard error. */
  say: (line: string) => void;
  /** Reads standard input to its end, without the trailing line break. */
  readInput: () => Promise<string>;
  /** Ends the process with exit code 1 after the command. */
  fail: () => void;
}

/** Dependencies of a command that looks after the servers themselves. */
export interface ServerTools extends Terminal {
  config: Config;
  /** How to reach the servers; they may be unreachable. */
  settings: ServiceSettings;
}

/** Dependencies of a command that uses the service. */
export interface Tools extends Terminal {
  config: Config;
  /** On a migrated database. */
  services: ConnectedServices;
}

interface Description {
  /** The words that select the command: `admin create`. */
  name: string;
  /** Continues the command's name in a sentence: `creates …`. */
  summary: string;
  options: NonNullable<ParseArgsConfig['options']>;
  /** The name of an argument without a dash, which is required. */
  argument?: string;
  /** Descriptions of the options, one per line. */
  help: string;
}

type Run<Dependencies> = (tools: Dependencies, values: Values) => Promise<void>;

/** A command of `npm run tessera`. */
export type Command = Description &
  (
    | { needs: 'services'; run: Run<Tools> }
    | {
        needs: 'servers';
        /** Whether it may create the private servers. Other commands need a first start. */
        createsServers?: true;
        run: Run<ServerTools>;
      }
  );

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
