import { Prisma } from '../../generated/prisma/client.ts';
import { SECOND_MS } from '../../platform/database/clock.ts';

/** A server is offline once its agent was last seen this long ago. */
const ONLINE_MS = 60 * SECOND_MS;

/** Whether a server is online, by PostgreSQL's clock. */
export function isOnline(lastSeenAt: Date | null, now: Date): boolean {
  return lastSeenAt !== null && now.getTime() - lastSeenAt.getTime() < ONLINE_MS;
}

/**
 * The same condition in SQL for a server `s`. It is null, not false, if its agent was never seen.
 */
export const IS_ONLINE_SQL = Prisma.sql`s.last_seen_at > tessera_now() - ${ONLINE_MS} * interval '1 millisecond'`;
