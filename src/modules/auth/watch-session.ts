import type { Services } from '../../platform/services.ts';
import type { WatchKind } from '../../platform/watch-kind.ts';
import { readLiveSession } from './find-session.ts';
import { SESSION_ENDED } from './session.events.ts';

/** What tells, for many sessions in one query, which of them still live. */
export function watchedSessions({ db, watcher }: Pick<Services, 'db' | 'watcher'>): WatchKind {
  return watcher.kind({
    topic: SESSION_ENDED,
    fingerprints: async (ids) => {
      const rows = await db.$queryRaw<{ id: string }[]>`
        SELECT s.id
        FROM sessions s
        JOIN users u ON u.id = s.user_id
        LEFT JOIN devices d ON d.id = s.device_id
        WHERE s.id = ANY(${ids}::uuid[]) AND s.revoked_at IS NULL AND s.expires_at > tessera_now()
          AND u.enabled AND u.deleted_at IS NULL AND d.enabled IS NOT FALSE`;
      return new Map(rows.map(({ id }) => [id, 'live']));
    },
  });
}

/**
 * Calls `ended` once when the session has ended, or its account or device was disabled.
 *
 * @returns stops watching
 */
export function whenSessionEnds(
  { db, log, watchedSessions }: Pick<Services, 'db' | 'log'> & { watchedSessions: WatchKind },
  sessionId: string,
  ended: () => void,
): () => void {
  const isLive = async () => (await readLiveSession({ db }, sessionId)) !== null;
  const stream = watchedSessions.watch(sessionId, isLive, (live) => !live);
  const watch = async () => {
    for await (const live of stream) if (!live) ended();
  };
  watch().catch((err: unknown) => {
    log.warn({ err }, 'a session could not be watched, so its socket is closed');
    ended();
  });
  return () => void stream.return();
}
