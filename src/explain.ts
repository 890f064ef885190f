import { ConfigError } from './config.ts';
import { LaunchError } from './connect.ts';
import { BackupError } from './platform/backup/backup-file.ts';
import { EmbeddedError } from './platform/embedded/embedded-error.ts';
import { SecretKeyError } from './platform/keys/secret-key.ts';
import { MigrationError } from './platform/migrations/migration-connection.ts';
import { RedisPolicyError } from './platform/redis/redis.ts';

/** Errors whose message is complete without a stack trace. */
const OPERATOR_ERRORS = [
  ConfigError,
  BackupError,
  EmbeddedError,
  MigrationError,
  RedisPolicyError,
  LaunchError,
  SecretKeyError,
] as const;

/**
 * Describes to the operator why the program has failed. Includes a stack trace for unexpected
 * errors.
 */
export function explain(error: unknown): string {
  if (OPERATOR_ERRORS.some((kind) => error instanceof kind)) return (error as Error).message;
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    return `${error.message.replace(/^listen EADDRINUSE: /, '')}. Set PORT to a free port.`;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
