import { parseArgs } from 'node:util';
import { type Config, readConfig } from '../config.ts';
import { connect } from '../connect.ts';
import { explain } from '../explain.ts';
import type { Embedded } from '../platform/embedded/embedded.ts';
import { joinEmbedded } from '../platform/embedded/join.ts';
import { DomainError } from '../platform/errors.ts';
import { createLogger } from '../platform/logger.ts';
import { migrate } from '../platform/migrations/migrate.ts';
import { adminCreate, adminReset } from './admin.ts';
import { codesCreate } from './codes.ts';
import { type Command, type Tools, UsageError, type Values } from './command.ts';
import { keysRotate } from './keys.ts';

const COMMANDS: readonly Command[] = [adminCreate, adminReset, codesCreate, keysRotate];

/** What a command says and reads beside the service. */
type Terminal = Pick<Tools, 'show' | 'say' | 'readInput'>;

/**
 * Does what was typed, on the service that the environment names: its own servers, or the private ones of DATA_DIR, whether
 * a process lives on them or not.
 *
 * @throws UsageError for what is no command; DomainError for what is refused; whatever keeps us from the service
 */
export async function runCommand(args: readonly string[], terminal: Terminal): Promise<void> {
  const asked = readCommand(args);
  if ('help' in asked) terminal.show(asked.help);
  else await withServices(readConfig(), terminal, (tools) => asked.command.run(tools, asked.values));
}

/**
 * What was typed: a command with its options, or what is to be told instead.
 *
 * @throws UsageError
 */
export function readCommand(
  args: readonly string[],
): { command: Command; values: Values } | { help: string } {
  const name = args.slice(0, 2).join(' ');
  const command = COMMANDS.find((known) => known.name === name);
  if (command) {
    const values = readOptions(command, args.slice(2));
    return values.help ? { help: helpOf(command) } : { command, values };
  }
  if (args.length === 0 || ['--help', '-h', 'help'].includes(name)) return { help: usage() };
  throw new UsageError(`There is no command "${name}".\n${usage()}`);
}

function usage(): string {
  const known = COMMANDS.map(({ name, summary }) => `  ${name.padEnd(14)}${summary}`).join('\n');
  return `Usage: npm run tessera -- <command> [options]\n\n${known}\n\n--help after a command tells its options.`;
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
  const embedded = await joinServers(config, terminal);
  try {
    const databaseUrl = config.DATABASE_URL ?? embedded?.databaseUrl ?? '';
    await migrate(databaseUrl);
    const services = await connect({
      databaseUrl,
      redisUrl: config.REDIS_URL ?? embedded?.redisUrl ?? '',
      secretKey: config.SECRET_KEY ?? embedded?.secretKey ?? '',
      previousSecretKey: config.SECRET_KEY_PREVIOUS,
      rateLimits: config.RATE_LIMITS,
      log: createLogger('error'),
    });
    try {
      await work({ ...terminal, services, config });
    } finally {
      await services.close();
    }
  } finally {
    await embedded?.stop();
  }
}

async function joinServers(config: Config, { say }: Terminal): Promise<Embedded | undefined> {
  const needPostgres = config.DATABASE_URL === undefined;
  const needRedis = config.REDIS_URL === undefined;
  if (!needPostgres && !needRedis && config.SECRET_KEY !== undefined) return undefined;
  return joinEmbedded({
    dataDir: config.DATA_DIR,
    needPostgres,
    needRedis,
    log: say,
    redisServer: config.REDIS_SERVER_BIN,
  });
}

/** The code to end with, and what to say: 2 for what was typed wrongly, 1 for what could not be done. */
export function endingOf(error: unknown): { code: number; message: string } {
  if (error instanceof UsageError) return { code: 2, message: error.message };
  if (error instanceof DomainError) return { code: 1, message: `${error.code}: ${error.message}` };
  return { code: 1, message: explain(error) };
}
