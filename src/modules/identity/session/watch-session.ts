import type { Services } from '../../../platform/services.ts';
import { createEndWatch, type EndWatch } from '../../../platform/watch/end-watch.ts';
import { SESSION_LIVES } from '../../kernel/live-session.ts';
import { SESSION_ENDED } from '../../kernel/topics.ts';

/**
 * Watches sessions by id. Reports each once it is no longer live, as `SESSION_LIVES` defines it.
 */
export function createSessionWatch(
  { db, pubSub, log }: Pick<Services, 'db' | 'pubSub' | 'log'>,
  { pollMs }: { pollMs?: number } = {},
): EndWatch {
  return createEndWatch({
    ...{ pubSub, log, pollMs },
    topic: SESSION_ENDED,
    findEnded: async (sessionIds) => {
      const rows = await db.$queryRaw<{ id: string }[]>`
        SELECT w.id
        FROM unnest(${sessionIds}::uuid[]) AS w(id)
        WHERE NOT EXISTS (
          SELECT FROM sessions s
          JOIN users u ON u.id = s.user_id
          LEFT JOIN devices d ON d.id = s.device_id
          WHERE s.id = w.id AND ${SESSION_LIVES})`;
      return rows.map(({ id }) => id);
    },
  });
}
