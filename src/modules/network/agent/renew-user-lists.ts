import type { Transaction } from '../../../platform/database/database.ts';
import type { Services } from '../../../platform/services.ts';

/**
 * Revisions of a new incarnation begin at 1,024 for each second since then. All earlier ones are
 * smaller, whichever copy of the database assigned them, as long as a copy averages fewer than a
 * thousand writing transactions per second.
 */
const REVISIONS_START = '2026-01-01T00:00:00Z';
const REVISIONS_PER_SECOND = 1_024;

/**
 * Makes all agents read their whole lists if this database is another one than at the last call:
 * restored from a backup, or continued by a standby or from an older state. Agents may then have
 * seen changes that this database does not have, under revisions that it would assign again.
 *
 * The cost does not depend on the number of subscriptions.
 *
 * @returns whether it is another database
 */
export async function renewUserLists({ db }: Pick<Services, 'db'>): Promise<boolean> {
  const [state] = await db.$queryRaw<[{ isRenewed: boolean }?]>`
    SELECT incarnation IS DISTINCT FROM tessera_incarnation() AS "isRenewed"
    FROM service_state WHERE NOT pg_is_in_recovery()`;
  return state?.isRenewed ? db.$transaction(startIncarnation) : false;
}

/** Several processes may find a new incarnation concurrently; one of them stores it. */
async function startIncarnation(tx: Transaction): Promise<boolean> {
  // Waits for transactions that have assigned a revision of the old incarnation.
  await tx.$executeRaw`LOCK TABLE user_subscriptions, servers IN SHARE ROW EXCLUSIVE MODE`;
  const [started] = await tx.$queryRaw<[{ isFirst: boolean }?]>`
    UPDATE service_state AS s SET incarnation = tessera_incarnation(),
      revision_offset = CASE WHEN before.is_first THEN s.revision_offset ELSE greatest(
        before.newest + 1,
        floor(extract(epoch FROM now() - ${REVISIONS_START}::timestamptz) * ${REVISIONS_PER_SECOND})::bigint,
        tessera_revision()) - pg_current_xact_id()::text::bigint END
    FROM (
      SELECT
        -- Before this was stored: unless revisions lie in the future, it is the same database.
        incarnation IS NULL AND newest < tessera_revision() AS is_first, newest
      FROM service_state, (
        SELECT greatest(
          (SELECT max(full_list_revision) FROM servers), (SELECT max(confirmed_revision >> 21) FROM servers),
          (SELECT max((SELECT revision FROM user_subscriptions WHERE plan_id = p.id ORDER BY revision DESC LIMIT 1))
            FROM plans p), 0) AS newest) AS known) AS before
    WHERE s.incarnation IS DISTINCT FROM tessera_incarnation()
    RETURNING before.is_first AS "isFirst"`;
  if (!started) return false;
  await tx.$executeRaw`
    UPDATE servers SET full_list_revision = tessera_revision(), confirmed_revision = NULL,
      full_list_at = tessera_now()`;
  return !started.isFirst;
}
