import { Prisma } from '../../generated/prisma/client.ts';
import { SECOND_MS } from '../../platform/database/clock.ts';

/** A server is offline once its agent was last seen this long ago. */
const ONLINE_MS = 60 * SECOND_MS;

/**
 * Whether server `s` is online, by PostgreSQL's clock. Null, not false, if its agent was never
 * seen.
 */
export const IS_ONLINE_SQL = Prisma.sql`s.last_seen_at > tessera_now() - ${ONLINE_MS} * interval '1 millisecond'`;
