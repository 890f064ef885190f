import type { Services } from '../../../platform/services.ts';
import type { WatchKind } from '../../../platform/watch/watch-kind.ts';
import type { StatisticsSnapshot } from './read-statistics.ts';

const EVERY_MS = 1_000;

/** Everybody watches the same. */
const THE_SERVICE = 'service';

/** What wakes those who watch the statistics: each second, and nothing while nobody does. */
export function watchedStatistics({ watcher }: Pick<Services, 'watcher'>): WatchKind {
  let beats = 0;
  return watcher.kind({
    topic: 'statistics',
    pollMs: EVERY_MS,
    // The time is among them, so each reading differs.
    fingerprints: async (ids) => {
      beats += 1;
      return new Map(ids.map((id) => [id, String(beats)]));
    },
  });
}

/** The statistics as they are now, then again each second; while PostgreSQL is away, nothing. */
export function watchStatistics({
  statistics,
  watchedStatistics,
}: {
  statistics: () => Promise<StatisticsSnapshot>;
  watchedStatistics: WatchKind;
}): Promise<AsyncIterable<StatisticsSnapshot>> {
  return watchedStatistics.open(THE_SERVICE, statistics);
}
