import { ConfigError } from './config.ts';
import { LaunchError } from './connect.ts';
import { EmbeddedError } from './platform/embedded/embedded-error.ts';
import { MigrationError } from './platform/migrations/migration-connection.ts';
import { RedisPolicyError } from './platform/redis/redis.ts';

/** Their messages say what is in the way; a stack would only hide it. */
const FOR_PEOPLE = [ConfigError, EmbeddedError, MigrationError, RedisPolicyError, LaunchError] as const;

/** Why a program of ours has to end, for the person at the terminal. */
export function explain(error: unknown): string {
  if (FOR_PEOPLE.some((kind) => error instanceof kind)) return (error as Error).message;
  if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') {
    return `${error.message.replace(/^listen EADDRINUSE: /, '')}. Another program uses this port: set PORT to a free one.`;
  }
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
