import { parseArgs } from 'node:util';
import { readConfig } from '../config.ts';
import { connect, embeddedOptions, serviceSettings } from '../connect.ts';
import { explain } from '../explain.ts';
import { startEmbedded } from '../platform/embedded/embedded.ts';
import { joinEmbedded } from '../platform/embedded/join.ts';
import { DomainError } from '../platform/errors.ts';
import { createLogger } from '../platform/logger.ts';
import { migrate } from '../platform/migrations/migrate.ts';
import { ownVersion } from '../platform/own-package.ts';
import { adminCreate, adminReset } from './admin.ts';
import { backup, restoreBackup } from './backup.ts';
import { codesCreate, codesDisable } from './codes.ts';
import {
  type Command,
  type ServerTools,
  type Terminal,
  type Tools,
  UsageError,
  type Values,
} from './command.ts';
import { doctor } from './doctor.ts';
import { keysRotate } from './keys.ts';
import { migrateDeploy, migrateResolve, migrateStatus } from './migrations.ts';
import { ordersList, ordersRetry, ordersShow } from './orders.ts';
import { retentionRun } from './retention.ts';
import { serversList, serversRotateToken } from './servers.ts';
import { usersDisable, usersEnable, usersErase, usersExport, usersShow } from './users.ts';

const COMMANDS: readonly Command[] = [
  adminCreate,
  adminReset,
  codesCreate,
  codesDisable,
  ordersList,
  ordersShow,
  ordersRetry,
  usersShow,
  usersDisable,
  usersEnable,
  usersExport,
  usersErase,
  serversList,
  serversRotateToken,
  keysRotate,
  doctor,
  backup,
  restoreBackup,
  migrateStatus,
  migrateDeploy,
  migrateResolve,
  retentionRun,
];

/**
 * Runs a command with the servers that the environment configures, or with the private ones of
 * DATA_DIR, which it starts unless a running process already has.
 *
 * @throws UsageError for an invalid command line; DomainError if the command is refused; the errors
 *   of `launch` if the servers cannot be used
 */
export async function runCommand(args: readonly string[], terminal: Terminal): Promise<void> {
  const parsed = readCommand(args);
  if ('help' in parsed) {
    terminal.show(parsed.help);
    return;
  }
  const { command, values } = parsed;
  const isNew = command.needs === 'servers' && command.createsServers === true;
  await withServers({ terminal, isNew }, (tools) =>
    command.needs === 'servers'
      ? command.run(tools, values)
      : withServices(tools, (ofServices) => command.run(ofServices, values)),
  );
}

/**
 * Parses a command line into a command with its options, or into the help that it asks for.
 *
 * @throws UsageError
 */
export function readCommand(
  args: readonly string[],
): { command: Command; values: Values } | { help: string } {
  const command = COMMANDS.find(({ name }) => args.slice(0, name.split(' ').length).join(' ') === name);
  if (command) {
    const values = readOptions(command, args.slice(command.name.split(' ').length));
    return values.help ? { help: helpOf(command) } : { command, values };
  }
  if (args.length === 1 && ['--version', '-v', 'version'].includes(args[0] ?? ''))
    return { help: ownVersion() };
  if (args.length === 0 || ['--help', '-h', 'help'].includes(args[0] ?? '')) return { help: usage() };
  throw new UsageError(`There is no command "${args.slice(0, 2).join(' ')}".\n${usage()}`);
}

function usage(): string {
  const commands = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(22)}${summary}`).join('\n');
  return `Usage: npm run tessera -- <command> [options]\n\n${commands}\n\nRun a command with --help to see its options.`;
}

function readOptions(command: Command, args: string[]): Values {
  try {
    const options = { ...command.options, help: { type: 'boolean', short: 'h' } } as const;
    const { argument } = command;
    const { values, positionals } = parseArgs({ args, options, allowPositionals: argument !== undefined });
    if (positionals.length > 1) throw new Error(`Unexpected argument '${positionals[1]}'.`);
    if (argument && positionals.length === 0 && !values.help) throw new Error(`<${argument}> is required.`);
    return { ...values, ...(argument && { [argument]: positionals[0] }) } as Values;
  } catch (error) {
    throw new UsageError(`${(error as Error).message}\n${helpOf(command)}`);
  }
}

const helpOf = ({ name, argument, summary, help }: Command) =>
  `npm run tessera -- ${name}${argument ? ` <${argument}>` : ''} [options]: ${summary}${help && `\n\n${help}`}`;

/** Starts the private servers that the configuration needs, unless a running process has. */
async function withServers(
  { terminal, isNew }: { terminal: Terminal; isNew: boolean },
  work: (tools: ServerTools) => Promise<void>,
): Promise<void> {
  const config = readConfig();
  const options = embeddedOptions(config, terminal.say);
  const embedded = options && (await (isNew ? startEmbedded : joinEmbedded)(options));
  try {
    const settings = serviceSettings(config, embedded, createLogger('error'));
    await work({ ...terminal, config, settings });
  } finally {
    await embedded?.stop();
  }
}

async function withServices(
  { settings, ...terminal }: ServerTools,
  work: (tools: Tools) => Promise<void>,
): Promise<void> {
  await migrate(settings.databaseUrl, { say: terminal.say });
  const services = await connect(settings, 'command');
  try {
    await work({ ...terminal, services });
  } finally {
    await services.close();
  }
}

/** Chooses the exit code and message for an error: 2 for an invalid command line, else 1. */
export function exitStatusOf(error: unknown): { code: number; message: string } {
  if (error instanceof UsageError) return { code: 2, message: error.message };
  if (error instanceof DomainError) return { code: 1, message: `${error.code}: ${error.message}` };
  return { code: 1, message: explain(error) };
}
