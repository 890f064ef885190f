import { Prisma } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';

const ROWS_AT_ONCE = 10_000;
/** The first transaction that there has not been. */
const NEXT = Prisma.sql`pg_snapshot_xmax(pg_current_snapshot())::text::bigint`;

/**
 * Gives revisions anew where they are beyond all transactions that this PostgreSQL has had, as in a database that was
 * brought here from another one: until its transactions had caught up nothing of it would be told. Agents get their
 * whole lists then. Where all is well it looks at one entry of an index for each plan.
 *
 * @returns how many subscriptions it has changed
 */
export async function restartRevisions({ db }: Pick<Services, 'db'>): Promise<number> {
  const [{ isForeign }] = await db.$queryRaw<[{ isForeign: boolean }]>`
    SELECT EXISTS (SELECT FROM servers WHERE full_list_revision >= ${NEXT}) OR EXISTS (
      SELECT FROM plans p WHERE (SELECT revision FROM user_subscriptions WHERE plan_id = p.id
        ORDER BY revision DESC LIMIT 1) >= ${NEXT}) AS "isForeign"`;
  if (!isForeign) return 0;
  let changed = 0;
  for (let some = ROWS_AT_ONCE; some === ROWS_AT_ONCE; changed += some) {
    some = await db.$executeRaw`
      UPDATE user_subscriptions SET revision = tessera_revision() WHERE id IN (
        SELECT id FROM user_subscriptions WHERE revision >= ${NEXT} ORDER BY id LIMIT ${ROWS_AT_ONCE} FOR NO KEY UPDATE)`;
  }
  await db.$executeRaw`UPDATE orders SET revision = 0 WHERE revision >= ${NEXT}`;
  await db.$executeRaw`UPDATE servers SET full_list_revision = tessera_revision(), confirmed_revision = NULL`;
  return changed;
}
