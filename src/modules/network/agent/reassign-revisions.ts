import { Prisma } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';

const ROWS_PER_STATEMENT = 10_000;
const NO_ID = '00000000-0000-0000-0000-000000000000';
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
  const total = await inSteps(
    () => db.$executeRaw`
      UPDATE user_subscriptions SET revision = tessera_revision() WHERE id IN (
        SELECT id FROM user_subscriptions WHERE revision >= ${NEXT_TRANSACTION}
        ORDER BY id LIMIT ${ROWS_PER_STATEMENT} FOR NO KEY UPDATE)`,
  );
  await resetOrders(db);
  await db.$executeRaw`UPDATE servers SET full_list_revision = tessera_revision(), confirmed_revision = NULL`;
  return total;
}

/** Repeats a statement until it changes fewer rows than it may. @returns the sum */
async function inSteps(update: () => Promise<number>): Promise<number> {
  for (let total = 0; ; ) {
    const updated = await update();
    total += updated;
    if (updated < ROWS_PER_STATEMENT) return total;
  }
}

/** Goes through the orders by id: no index finds foreign revisions, and there may be millions. */
async function resetOrders(db: Services['db']): Promise<void> {
  for (let after: string | null = NO_ID; after !== null; ) {
    const [row]: { last: string | null }[] = await db.$queryRaw`
      WITH step AS MATERIALIZED (
        SELECT id, revision >= ${NEXT_TRANSACTION} AS is_foreign FROM orders
        WHERE id > ${after}::uuid ORDER BY id LIMIT ${ROWS_PER_STATEMENT}
      ), updated AS (
        UPDATE orders o SET revision = 0 FROM step WHERE o.id = step.id AND step.is_foreign)
      SELECT max(id::text) AS last FROM step`;
    after = row?.last ?? null;
  }
}
