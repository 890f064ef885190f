import { readFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { z } from 'zod';
import { normalizeEmail } from './platform/email.ts';
import { ANY_ORIGIN } from './platform/http/origin.ts';
import { parseUrl } from './platform/url.ts';

const days = (atLeast: number) => z.coerce.number().int().min(atLeast).max(36_500);
const onOff = z.enum(['on', 'off']).transform((value) => value === 'on');
const emptyIsUnset = (env: NodeJS.ProcessEnv) =>
  Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));

const isRedisAddress = (text: string) =>
  text.startsWith('/') || (/^rediss?:\/\//.test(text) && parseUrl(text) !== undefined);

const ORIGIN_FORM = 'write scheme, host and port only, such as https://app.example.com, or * for all';

const SCHEMA_IN_URL =
  'has ?schema=, which has no effect: use a database of its own, or ALTER ROLE … SET search_path';

const Environment = z.object({
  NODE_ENV: z
    .enum(['development', 'test', 'production'])
    .optional()
    .describe(
      '`production` requires the settings that customers depend on, and forbids those for tests. Other spellings of it are refused, because they would be served without its checks.',
    ),
  DATABASE_URL: z
    .url({ protocol: /^postgres(ql)?$/ })
    .refine((url) => !parseUrl(url)?.searchParams.has('schema'), SCHEMA_IN_URL)
    .optional()
    .describe('PostgreSQL 14 or later. If unset, a private server is started in DATA_DIR.'),
  REDIS_URL: z
    .string()
    .refine(isRedisAddress, 'must be a redis:// or rediss:// URL, or the path of a Unix socket')
    .optional()
    .describe('A URL or the path of a Unix socket. If unset, a private server is started in DATA_DIR.'),
  REDIS_PREFIX: z
    .string()
    .regex(/^[\w.-]*:?$/, 'must consist of letters, digits, and . _ -, with an optional colon at the end')
    .default('')
    .describe('Prefix of all keys and channels in Redis. Needed if several services share one Redis.'),
  DATA_DIR: z
    .string()
    .default('./data')
    .describe('Directory of the private servers and of the generated SECRET_KEY.'),
  HOST: z.string().default('127.0.0.1').describe('Address to listen on.'),
  PORT: z.coerce
    .number()
    .int()
    .min(0)
    .max(65_535)
    .default(4000)
    .describe('Port to listen on; 0 selects a free one.'),
  ROLE: z
    .enum(['all', 'api', 'worker'])
    .default('all')
    .describe('`api` serves clients, `worker` runs background jobs, `all` does both.'),
  SECRET_KEY: z
    .string()
    .min(32, 'must have at least 32 characters')
    .optional()
    .describe('Secret from which all keys are derived. If unset, one is generated and stored in DATA_DIR.'),
  SECRET_KEY_PREVIOUS: z
    .string()
    .min(32, 'must have at least 32 characters')
    .optional()
    .describe('The SECRET_KEY before a rotation, so that data encrypted with it stays readable.'),
  RATE_LIMITS: onOff.default(true).describe('`off` disables all rate limits, for load tests.'),
  BATCH_SIZE: z.coerce
    .number()
    .int()
    .min(1)
    .max(1_000)
    .default(128)
    .describe('Maximum number of redemptions or activations per transaction.'),
  LANES: z.coerce
    .number()
    .int()
    .min(1)
    .max(8)
    .default(2)
    .describe('Maximum number of such transactions at the same time, of each kind and process.'),
  REDEMPTION_LOCK: onOff
    .default(true)
    .describe(
      '`off` disables the Redis lock around redemptions, to test that PostgreSQL alone prevents races.',
    ),
  CRASH_POINTS: z.string().optional().describe('Places at which the process crashes, for fault tests.'),
  ADMIN_EMAIL: z
    .string()
    .refine((address) => normalizeEmail(address) !== undefined, 'must be an e-mail address')
    .default('admin@tessera.local')
    .describe('E-mail address of the first admin, who is created if there is no admin.'),
  ADMIN_PASSWORD: z
    .string()
    .min(8, 'must have at least 8 characters')
    .optional()
    .describe('Password of the first admin, and of admins created from a shell. If unset, one is generated.'),
  SEED: z
    .enum(['demo', 'none'])
    .optional()
    .describe('`demo` creates example plans, codes, servers, nodes and ads.'),
  TRUST_PROXY: z.coerce
    .number()
    .int()
    .min(0)
    .max(10)
    .optional()
    .describe("Number of trusted proxies in front, whose `X-Forwarded-For` gives the client's address."),
  ALLOWED_ORIGINS: z
    .string()
    .default('')
    .transform((list) =>
      list
        .split(',')
        .map((origin) => origin.trim())
        .filter(Boolean),
    )
    .superRefine((origins, context) => {
      for (const [at, origin] of origins.entries()) {
        // Another spelling would never match what browsers send.
        if (origin !== ANY_ORIGIN && (origin.includes('*') || parseUrl(origin)?.origin !== origin))
          context.addIssue({ code: 'custom', message: `entry ${at + 1} is not an origin: ${ORIGIN_FORM}` });
      }
    })
    .describe('Comma-separated origins, besides our own, whose pages may use the API; `*` for all.'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('Least severe level to log.'),
  INTROSPECTION: onOff
    .optional()
    .describe(
      'Whether callers other than admins may introspect the schema. Defaults to `off` in production.',
    ),
  REDIS_SERVER_BIN: z
    .string()
    .optional()
    .describe(
      'The redis-server or valkey-server program for the private Redis. If unset, one is searched for.',
    ),
  OTEL_EXPORTER_OTLP_ENDPOINT: z
    .url({ protocol: /^https?$/ })
    .optional()
    .describe(
      'OpenTelemetry receiver (OTLP over HTTP, as JSON) for traces and metrics. If unset, none are exported. OTEL_EXPORTER_OTLP_HEADERS can authenticate.',
    ),
  OTEL_SERVICE_NAME: z.string().default('tessera').describe('Name of this service in traces.'),
  OTEL_TRACES_SAMPLER_ARG: z.coerce
    .number()
    .min(0)
    .max(1)
    .default(1)
    .describe('Share of the requests that are traced, from 0 to 1. A `traceparent` header decides instead.'),
  METRICS_TOKEN: z
    .string()
    .min(16, 'must have at least 16 characters')
    .optional()
    .describe('Bearer token for reading `/metrics` from another machine.'),
  RETENTION_AUDIT_DAYS: days(30)
    .optional()
    .describe('Days after which audit entries are deleted. If unset, they are kept.'),
  RETENTION_LOGINS_DAYS: days(1)
    .default(30)
    .describe('Days after which expired sessions, link codes and pending bindings are deleted.'),
  RETENTION_STAYS_DAYS: days(8)
    .default(90)
    .describe(
      'Days after which presence intervals are deleted. The streaks of days in statistics end there.',
    ),
  RETENTION_TRAFFIC_REPORTS_DAYS: days(1)
    .default(30)
    .describe('Days during which a traffic report that is sent again is not counted twice.'),
  RETENTION_UNSUCCESSFUL_ORDERS_DAYS: days(30)
    .optional()
    .describe('Days after which failed and closed orders are deleted. If unset, they are kept.'),
  SHUTDOWN_DELAY_MS: z.coerce
    .number()
    .int()
    .min(0)
    .max(10_000)
    .default(0)
    .describe('How long a process keeps serving, with `/readyz` at 503, before it shuts down.'),
});

/** Variables that contain secrets, so that a file can be easier to protect. */
export const FILE_VARIABLES = [
  'DATABASE_URL',
  'REDIS_URL',
  'SECRET_KEY',
  'SECRET_KEY_PREVIOUS',
  'ADMIN_PASSWORD',
  'METRICS_TOKEN',
] as const;

/** All variables, with their schemas. */
export const VARIABLES = Environment.shape;

type Environment = z.infer<typeof Environment>;

/** The validated configuration of this process. */
export interface Config extends Omit<Environment, 'TRUST_PROXY' | 'INTROSPECTION' | 'SEED'> {
  /** Whether NODE_ENV is `production`. */
  production: boolean;
  TRUST_PROXY: number;
  INTROSPECTION: boolean;
  /** If undefined, demo data is created in a new embedded database only. */
  SEED: 'demo' | 'none' | undefined;
}

/** The environment is invalid. The message lists every invalid variable, one per line. */
export class ConfigError extends Error {
  constructor(readonly problems: readonly string[]) {
    super(`The configuration is invalid:\n${problems.map((problem) => `  - ${problem}`).join('\n')}`);
    this.name = 'ConfigError';
  }
}

/**
 * Reads and validates the environment. A variable with a secret can be the content of a file
 * instead, whose path is in the variable with `_FILE` added to its name.
 *
 * @throws ConfigError listing all problems, not only the first
 */
export function readConfig(env: NodeJS.ProcessEnv = process.env): Config {
  const { given, problems: fileProblems } = withFiles(emptyIsUnset(env));
  const parsed = Environment.safeParse(given);
  const production = given.NODE_ENV === 'production';
  const problems = [
    ...fileProblems,
    ...(parsed.error?.issues ?? []).map(({ path, message }) => `${path.join('.')}: ${message}`),
    ...(production ? productionProblems(given) : []),
  ];
  if (!parsed.success || problems.length > 0) throw new ConfigError(problems);
  return {
    ...parsed.data,
    production,
    DATA_DIR: resolve(parsed.data.DATA_DIR),
    TRUST_PROXY: parsed.data.TRUST_PROXY ?? 0,
    INTROSPECTION: parsed.data.INTROSPECTION ?? !production,
    SEED: parsed.data.SEED ?? (production ? 'none' : undefined),
  };
}

function withFiles(env: NodeJS.ProcessEnv): { given: NodeJS.ProcessEnv; problems: string[] } {
  const given = { ...env };
  const problems: string[] = [];
  for (const name of FILE_VARIABLES) {
    const path = env[`${name}_FILE`];
    if (path === undefined) continue;
    if (env[name] !== undefined) problems.push(`${name}_FILE: must not be set together with ${name}`);
    try {
      given[name] = readFileSync(path, 'utf8').replace(/\r?\n$/, '');
      if (given[name] === '') problems.push(`${name}_FILE: the file is empty`);
    } catch (error) {
      problems.push(`${name}_FILE: cannot be read: ${(error as NodeJS.ErrnoException).code}`);
    }
  }
  return { given, problems };
}

/**
 * Lists settings that are optional for trying the service out, but required or forbidden in
 * production. Reads the variables as they are set, so that invalid ones don't hide these problems.
 */
function productionProblems(env: NodeJS.ProcessEnv): string[] {
  const problems: string[] = [];
  if (!env.SECRET_KEY) problems.push('SECRET_KEY: must be set in production (openssl rand -base64 48)');
  if (!env.DATABASE_URL)
    problems.push('DATABASE_URL: must be set in production (a private PostgreSQL would start empty)');
  for (const [name, characters] of SECRETS) {
    if (isExample(env[name] ?? null, characters)) problems.push(`${name}: looks like a placeholder`);
  }
  if (env.TRUST_PROXY === undefined) {
    problems.push('TRUST_PROXY: must be set in production to the number of proxies in front (0 for none)');
  }
  if (env.RATE_LIMITS === 'off') problems.push('RATE_LIMITS: must not be off in production');
  if (env.REDEMPTION_LOCK === 'off') problems.push('REDEMPTION_LOCK: must not be off in production');
  if (env.CRASH_POINTS) problems.push('CRASH_POINTS: must not be set in production');
  return problems;
}

/** The secrets, each with the minimum number of distinct characters. */
const SECRETS = [
  ['SECRET_KEY', 12],
  ['SECRET_KEY_PREVIOUS', 12],
  ['METRICS_TOKEN', 8],
  ['ADMIN_PASSWORD', 6],
] as const;

const EXAMPLES =
  /change.?(me|it)|example|placeholder|replace.?(me|this)|your.?(secret|key|password|token)|insecure|passw(or)?d|^(admin|secret|tessera|qwert|letmein|12345)/i;

/** Detects placeholders copied from instructions, and secrets with too few distinct characters. */
const isExample = (secret: string | null, characters: number) =>
  secret !== null && (EXAMPLES.test(secret) || new Set(secret).size < characters);
