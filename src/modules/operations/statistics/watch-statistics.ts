import type { Services } from '../../../platform/services.ts';
import type { WatchKind } from '../../../platform/watch/watch-kind.ts';
import type { StatisticsSnapshot } from './read-statistics.ts';

const INTERVAL_MS = 1_000;

/** All streams watch the same id. */
const THE_SERVICE = 'service';

/** Wakes all streams of statistics every second. Costs nothing while no stream is open. */
export function watchedStatistics({ watcher }: Pick<Services, 'watcher'>): WatchKind {
  let polls = 0;
  return watcher.kind({
    topic: 'statistics',
    pollMs: INTERVAL_MS,
    // Statistics contain the time, so they differ at each poll.
    fingerprints: async (ids) => {
      polls += 1;
      return new Map(ids.map((id) => [id, String(polls)]));
    },
  });
}

/**
 * Streams the current statistics, then new ones every second. Pauses while PostgreSQL is
 * unavailable.
 */
export function watchStatistics({
  statistics,
  watchedStatistics,
}: {
  statistics: () => Promise<StatisticsSnapshot>;
  watchedStatistics: WatchKind;
}): Promise<AsyncIterable<StatisticsSnapshot>> {
  return watchedStatistics.open(THE_SERVICE, statistics);
}
