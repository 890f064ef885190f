import { parseArgs } from 'node:util';
import { type Config, readConfig } from '../config.ts';
import { connect, embeddedOptions, serviceSettings } from '../connect.ts';
import { explain } from '../explain.ts';
import { joinEmbedded } from '../platform/embedded/join.ts';
import { DomainError } from '../platform/errors.ts';
import { createLogger } from '../platform/logger.ts';
import { migrate } from '../platform/migrations/migrate.ts';
import { adminCreate, adminReset } from './admin.ts';
import { codesCreate } from './codes.ts';
import { type Command, type Tools, UsageError, type Values } from './command.ts';
import { keysRotate } from './keys.ts';

const COMMANDS: readonly Command[] = [adminCreate, adminReset, codesCreate, keysRotate];

/** Input and output of a command. */
type Terminal = Pick<Tools, 'show' | 'say' | 'readInput'>;

/**
 * Runs a command with the servers that the environment configures, or with the private ones of
 * DATA_DIR, which it starts unless a running process already has.
 *
 * @throws UsageError for an invalid command line; DomainError if the command is refused; the errors
 *   of `launch` if the servers cannot be used
 */
export async function runCommand(args: readonly string[], terminal: Terminal): Promise<void> {
  const parsed = readCommand(args);
  if ('help' in parsed) terminal.show(parsed.help);
  else await withServices(readConfig(), terminal, (tools) => parsed.command.run(tools, parsed.values));
}

/**
 * Parses a command line into a command with its options, or into the help that it asks for.
 *
 * @throws UsageError
 */
export function readCommand(
  args: readonly string[],
): { command: Command; values: Values } | { help: string } {
  const name = args.slice(0, 2).join(' ');
  const command = COMMANDS.find((candidate) => candidate.name === name);
  if (command) {
    const values = readOptions(command, args.slice(2));
    return values.help ? { help: helpOf(command) } : { command, values };
  }
  if (args.length === 0 || ['--help', '-h', 'help'].includes(name)) return { help: usage() };
  throw new UsageError(`There is no command "${name}".\n${usage()}`);
}

function usage(): string {
  const commands = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(14)}${summary}`).join('\n');
  return `Usage: npm run tessera -- <command> [options]\n\n${commands}\n\nRun a command with --help to see its options.`;
}

function readOptions(command: Command, args: string[]): Values {
  try {
    const options = { ...command.options, help: { type: 'boolean', short: 'h' } } as const;
    return parseArgs({ args, options, allowPositionals: false }).values as Values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${helpOf(command)}`);
  }
}

const helpOf = ({ name, summary, help }: Command) =>
  `npm run tessera -- ${name} [options]: ${summary}${help && `\n\n${help}`}`;

async function withServices(
  config: Config,
  terminal: Terminal,
  work: (tools: Tools) => Promise<void>,
): Promise<void> {
  const options = embeddedOptions(config, terminal.say);
  const embedded = options && (await joinEmbedded(options));
  try {
    const settings = serviceSettings(config, embedded, createLogger('error'));
    await migrate(settings.databaseUrl);
    const services = await connect(settings, 'command');
    try {
      await work({ ...terminal, services, config });
    } finally {
      await services.close();
    }
  } finally {
    await embedded?.stop();
  }
}

/** Chooses the exit code and message for an error: 2 for an invalid command line, else 1. */
export function exitStatusOf(error: unknown): { code: number; message: string } {
  if (error instanceof UsageError) return { code: 2, message: error.message };
  if (error instanceof DomainError) return { code: 1, message: `${error.code}: ${error.message}` };
  return { code: 1, message: explain(error) };
}
