import { createContext, type ReactNode, useContext, useEffect, useSyncExternalStore } from 'react';
import type { FeedState, StatisticsFeed } from './statistics-feed.ts';

const FeedContext = createContext<StatisticsFeed | null>(null);

export function StatisticsProvider({ feed, children }: { feed: StatisticsFeed; children: ReactNode }) {
  return <FeedContext value={feed}>{children}</FeedContext>;
}

/** Returns the statistics. The first use starts the subscription. */
export function useStatistics(): FeedState {
  const feed = useContext(FeedContext);
  if (!feed) throw new Error('useStatistics must be used within StatisticsProvider');
  useEffect(() => feed.open(), [feed]);
  return useSyncExternalStore(feed.subscribe, () => feed.state);
}
