import { resolve } from 'node:path';
import { z } from 'zod';

const onOff = z.enum(['on', 'off']).transform((value) => value === 'on');
const emptyIsUnset = (env: NodeJS.ProcessEnv) =>
  Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));

const isRedisAddress = (text: string) =>
  text.startsWith('/') || (/^rediss?:\/\//.test(text) && URL.canParse(text));

const Environment = z.object({
  NODE_ENV: z.string().optional(),
  DATABASE_URL: z.url({ protocol: /^postgres(ql)?$/ }).optional(),
  REDIS_URL: z
    .string()
    .refine(isRedisAddress, 'must be a redis:// or rediss:// URL, or the path of a unix socket')
    .optional(),
  DATA_DIR: z.string().default('./data'),
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(4000),
  ROLE: z.enum(['all', 'api', 'worker']).default('all'),
  SECRET_KEY: z.string().min(32, 'must have at least 32 characters').optional(),
  SECRET_KEY_PREVIOUS: z.string().min(32, 'must have at least 32 characters').optional(),
  RATE_LIMITS: onOff.default(true),
  BATCH_SIZE: z.coerce.number().int().min(1).max(1_000).default(128),
  REDEMPTION_LOCK: onOff.default(true),
  CRASH_POINTS: z.string().optional(),
  ADMIN_EMAIL: z
    .string()
    .regex(/^[^\s@]+@[^\s@]+$/, 'must be an e-mail address')
    .default('admin@tessera.local'),
  ADMIN_PASSWORD: z.string().min(8, 'must have at least 8 characters').optional(),
  SEED: z.enum(['demo', 'none']).optional(),
  TRUST_PROXY: z.coerce.number().int().min(0).max(10).optional(),
  ALLOWED_ORIGINS: z
    .string()
    .default('')
    .transform((list) =>
      list
        .split(',')
        .map((origin) => origin.trim())
        .filter(Boolean),
    ),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  INTROSPECTION: onOff.optional(),
  REDIS_SERVER_BIN: z.string().optional(),
  METRICS_TOKEN: z.string().min(16, 'must have at least 16 characters').optional(),
  SHUTDOWN_DELAY_MS: z.coerce.number().int().min(0).max(10_000).default(0),
});

type Environment = z.infer<typeof Environment>;

/** How this process was told to run. */
export interface Config extends Omit<Environment, 'TRUST_PROXY' | 'INTROSPECTION' | 'SEED'> {
  /** NODE_ENV is `production`. */
  production: boolean;
  /** How many proxies in front are trusted to say the client's address. */
  TRUST_PROXY: number;
  /** Whether people who are no admins may introspect the schema. */
  INTROSPECTION: boolean;
  /** Undefined: `demo` on a fresh embedded start, else `none`. */
  SEED: 'demo' | 'none' | undefined;
}

/** The environment is not usable; the message names every variable at fault, one to a line. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The configuration is not usable:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/**
 * Reads the environment and checks it whole.
 *
 * @throws ConfigError naming everything that is wrong or missing, all of it at once
 */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const parsed = Environment.safeParse(emptyIsUnset(env));
  if (!parsed.success) {
    throw new ConfigError(parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`));
  }
  const production = parsed.data.NODE_ENV === 'production';
  const problems = production ? productionProblems(parsed.data) : [];
  if (problems.length > 0) throw new ConfigError(problems);
  return {
    ...parsed.data,
    production,
    DATA_DIR: resolve(parsed.data.DATA_DIR),
    TRUST_PROXY: parsed.data.TRUST_PROXY ?? 0,
    INTROSPECTION: parsed.data.INTROSPECTION ?? !production,
    SEED: parsed.data.SEED ?? (production ? 'none' : undefined),
  };
}

/** What may be left out while trying things, and must be said where customers depend on it. */
function productionProblems(env: Environment): string[] {
  const problems: string[] = [];
  if (!env.SECRET_KEY) problems.push('SECRET_KEY: must be given in production (openssl rand -base64 48)');
  for (const [name, characters] of SECRETS) {
    if (isExample(env[name] ?? null, characters)) problems.push(`${name}: looks like an example`);
  }
  if (env.TRUST_PROXY === undefined) {
    problems.push('TRUST_PROXY: must be given in production: how many proxies stand in front (0 for none)');
  }
  if (!env.RATE_LIMITS) problems.push('RATE_LIMITS: may not be off in production');
  if (!env.REDEMPTION_LOCK) problems.push('REDEMPTION_LOCK: may not be off in production');
  if (env.CRASH_POINTS) problems.push('CRASH_POINTS: is for tests, and may not be set in production');
  return problems;
}

/** Each with how many different characters it must have. */
const SECRETS = [
  ['SECRET_KEY', 12],
  ['SECRET_KEY_PREVIOUS', 12],
  ['METRICS_TOKEN', 8],
  ['ADMIN_PASSWORD', 6],
] as const;

const EXAMPLES =
  /change.?(me|it)|example|placeholder|replace.?(me|this)|your.?(secret|key|password|token)|insecure|passw(or)?d|^(admin|secret|tessera|qwert|letmein|12345)/i;

/** Words that stand in instructions, and what has hardly any different characters. */
const isExample = (secret: string | null, characters: number) =>
  secret !== null && (EXAMPLES.test(secret) || new Set(secret).size < characters);
