import type { Config } from '../config.ts';
import type { RotatingSecrets } from '../platform/keys/secrets.ts';
import type { Redis } from '../platform/redis/redis.ts';
import type { ServiceSettings } from '../platform/services.ts';

/** One line of a diagnosis. */
export interface Finding {
  /** Stable name of what was checked. */
  check: string;
  /** `warn` for what may become a problem, `fail` for what is one. */
  level: 'ok' | 'warn' | 'fail';
  message: string;
  /** Advice to the operator; absent if all is well. */
  advice?: string;
}

/** The sources that checks read. */
export interface Patient {
  config: Config;
  settings: ServiceSettings;
  /** A connection without the settings and time limits of the service. */
  client: { query: (sql: string, values?: unknown[]) => Promise<{ rows: unknown[] }> };
  secrets: RotatingSecrets;
}

export interface RedisPatient {
  redis: Redis;
}

export type Check<From> = (patient: From) => Promise<Finding[]>;

export const ok = (check: string, message: string): Finding[] => [{ check, level: 'ok', message }];
export const warn = (check: string, message: string, advice: string): Finding[] => [
  { check, level: 'warn', message, advice },
];
export const fail = (check: string, message: string, advice: string): Finding[] => [
  { check, level: 'fail', message, advice },
];

/** The rows of a statement. */
export async function rowsOf<Row>(
  { client }: Pick<Patient, 'client'>,
  sql: string,
  values: unknown[] = [],
): Promise<Row[]> {
  const { rows } = await client.query(sql, values);
  return rows as Row[];
}
