/** What `statisticsChanged` sends. */
export interface Statistics {
  at: string;
  activationsPerSecond: number;
  queueDepth: number;
  oldestPaidOrderSeconds: number | null;
  devicesOnline: number;
  serversOnline: number;
  serversLagging: number;
  serversOffline: number;
  redemptionsToday: { plan: { id: string; name: string }; count: number }[];
}

export const WATCH_STATISTICS = `subscription Now {
  statisticsChanged {
    at
    activationsPerSecond
    queueDepth
    oldestPaidOrderSeconds
    devicesOnline
    serversOnline
    serversLagging
    serversOffline
    redemptionsToday { plan { id name } count }
  }
}`;

/** One moment for the charts; null where nothing came. Seconds since 1970 by the server's clock. */
export interface Sample {
  at: number;
  statistics: Statistics | null;
}

const KEPT_SECONDS = 300;
const LONGEST_PAUSE_SECONDS = 3;

/** The samples with one more at their end; what is too old is gone, and a pause is a gap. */
export function addSample(samples: readonly Sample[], statistics: Statistics): Sample[] {
  const at = Date.parse(statistics.at) / 1_000;
  const before = samples.filter((sample) => sample.at < at && sample.at > at - KEPT_SECONDS);
  const last = before.at(-1);
  const hasPaused = last !== undefined && at - last.at > LONGEST_PAUSE_SECONDS;
  const gap = hasPaused ? [{ at: last.at + 1, statistics: null }] : [];
  return [...before, ...gap, { at, statistics }];
}
