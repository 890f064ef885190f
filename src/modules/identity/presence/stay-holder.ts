import { Prisma } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';

/*
 * An open presence interval is held by the process with the device's socket: it lasts while that
 * process runs, and nothing else needs to be written. Processes before version 0.2 hold theirs by
 * updating `last_seen_at`.
 */

/** A process that was last seen longer ago no longer holds intervals. */
export const HOLD = Prisma.sql`interval '25 seconds'`;

/** Joins the process that holds interval `s`, as `p`. */
export const HOLDER_SQL = Prisma.sql`LEFT JOIN service_processes p ON p.id = s.process_id`;

/** Condition on an open interval `s` and its process `p`: it is held. */
export const IS_HELD_SQL = Prisma.sql`
  (p.ended_at IS NULL AND greatest(s.last_seen_at, p.last_seen_at) > tessera_now() - ${HOLD})`;

/** The end of an open interval `s` that process `p` no longer holds. */
export const ASSUMED_END_SQL = Prisma.sql`
  greatest(s.started_at, s.last_seen_at, coalesce(p.ended_at, p.last_seen_at))`;

/** Selects the open intervals that are held. */
export async function heldStays({
  db,
}: {
  db: Pick<Transaction, '$queryRaw'>;
}): Promise<Prisma.DeviceStayWhereInput> {
  const [row] = await db.$queryRaw<[{ holders: string[]; since: Date; ended: string[] }]>`
    SELECT tessera_now() - ${HOLD} AS since,
      ARRAY(SELECT id::text FROM service_processes
        WHERE ended_at IS NULL AND last_seen_at > tessera_now() - ${HOLD}) AS holders,
      ARRAY(SELECT id::text FROM service_processes WHERE ended_at IS NOT NULL) AS ended`;
  const { holders, ended, since } = row;
  return {
    endedAt: null,
    OR: [
      { processId: { in: holders } },
      { lastSeenAt: { gt: since }, OR: [{ processId: null }, { processId: { notIn: ended } }] },
    ],
  };
}
