import { Prisma } from '../../generated/prisma/client.ts';
import { SECOND_MS } from '../../platform/database/clock.ts';

/** A server whose agent was last heard of so long ago is no longer online. */
const HEARD_OF_MS = 60 * SECOND_MS;

/** Whether the agent of a server was heard of lately, by PostgreSQL's clock: the server is online then. */
export function isOnline(lastSeenAt: Date | null, now: Date): boolean {
  return lastSeenAt !== null && now.getTime() - lastSeenAt.getTime() < HEARD_OF_MS;
}

/** The same of server `s`, for a query that asks it of many. */
export const IS_ONLINE_SQL = Prisma.sql`s.last_seen_at > tessera_now() - ${HEARD_OF_MS} * interval '1 millisecond'`;
