import { Prisma } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';
import { accountsOfPerson } from './accounts-of-person.ts';

/** Tables with data about a person, by the column that names the account. */
const TABLES: readonly (readonly [table: string, column: string, omitted?: readonly string[]])[] = [
  ['users', 'id'],
  ['identities', 'user_id', ['password_hash']],
  ['devices', 'user_id', ['secret_hash']],
  ['device_stays', 'user_id', ['process_id']],
  ['sessions', 'user_id', ['refresh_seed']],
  ['link_codes', 'user_id', ['code_hash']],
  ['pending_bindings', 'user_id', ['token_hash']],
  ['user_subscriptions', 'user_id', ['credential']],
  ['orders', 'user_id', ['idempotency_key']],
  ['redemptions', 'user_id'],
  ['wrong_guesses', 'user_id'],
];

/**
 * Reads everything that is stored about a person as one JSON object, with an array of rows per
 * table, as of one moment. It contains no credentials.
 *
 * @param userId an account, also a closed one; those merged into it are included
 */
export async function exportPerson({ db }: Pick<Services, 'db'>, userId: string): Promise<string> {
  return db.$transaction(
    async (tx) => {
      const ids = await accountsOfPerson(tx, userId);
      const parts = TABLES.map(
        ([table, column, omitted = []]) => Prisma.sql`
          ${table}::text, (SELECT coalesce(jsonb_agg(to_jsonb(t) - ${[...omitted]}::text[] ORDER BY t), '[]')
            FROM ${Prisma.raw(table)} t WHERE t.${Prisma.raw(column)} = ANY(${ids}::uuid[]))`,
      );
      // As text, because numbers of bytes can exceed those of JavaScript.
      const [{ json }] = await tx.$queryRaw<[{ json: string }]>`
        SELECT jsonb_pretty(jsonb_build_object(${Prisma.join(parts)},
          'audit_entries', (SELECT coalesce(jsonb_agg(to_jsonb(t) ORDER BY t.id), '[]') FROM audit_entries t
            WHERE t.actor_id = ANY(${ids}::uuid[]) OR t.target_id = ANY(${ids}::uuid[])))) AS json`;
      return json;
    },
    { isolationLevel: 'RepeatableRead' },
  );
}
