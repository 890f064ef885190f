import { Prisma } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';

const ROWS_PER_STATEMENT = 10_000;
/** The next transaction id that PostgreSQL assigns. */
const NEXT_TRANSACTION = Prisma.sql`pg_snapshot_xmax(pg_current_snapshot())::text::bigint`;

/**
 * Replaces revisions that lie beyond every transaction of this PostgreSQL, as after a dump from
 * another one was restored: such changes would reach no agent until the transaction ids catch up.
 * Agents then read their whole lists again.
 *
 * Runs at each start: if no revision is foreign, it costs one index lookup per plan.
 *
 * @returns number of subscriptions that got a new revision
 */
export async function reassignRevisions({ db }: Pick<Services, 'db'>): Promise<number> {
  const [{ isForeign }] = await db.$queryRaw<[{ isForeign: boolean }]>`
    SELECT EXISTS (SELECT FROM servers WHERE full_list_revision >= ${NEXT_TRANSACTION}) OR EXISTS (
      SELECT FROM plans p WHERE (SELECT revision FROM user_subscriptions WHERE plan_id = p.id
        ORDER BY revision DESC LIMIT 1) >= ${NEXT_TRANSACTION}) AS "isForeign"`;
  if (!isForeign) return 0;
  let total = 0;
  for (let updated = ROWS_PER_STATEMENT; updated === ROWS_PER_STATEMENT; total += updated) {
    updated = await db.$executeRaw`
      UPDATE user_subscriptions SET revision = tessera_revision() WHERE id IN (
        SELECT id FROM user_subscriptions WHERE revision >= ${NEXT_TRANSACTION}
        ORDER BY id LIMIT ${ROWS_PER_STATEMENT} FOR NO KEY UPDATE)`;
  }
  await db.$executeRaw`UPDATE orders SET revision = 0 WHERE revision >= ${NEXT_TRANSACTION}`;
  await db.$executeRaw`UPDATE servers SET full_list_revision = tessera_revision(), confirmed_revision = NULL`;
  return total;
}
