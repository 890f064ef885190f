/** Payload of the subscription `statisticsChanged`. */
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

/** A data point of the charts. */
export interface Sample {
  /** Unix time in seconds, by the server's clock. */
  at: number;
  /** Null marks a gap, which interrupts the lines of the charts. */
  statistics: Statistics | null;
}

const RETAINED_SECONDS = 300;
const MAX_INTERVAL_SECONDS = 3;

/** Appends a sample, with a gap before it if updates were missing, and drops expired samples. */
export function addSample(samples: readonly Sample[], statistics: Statistics): Sample[] {
  const at = Date.parse(statistics.at) / 1_000;
  const before = samples.filter((sample) => sample.at < at && sample.at > at - RETAINED_SECONDS);
  const last = before.at(-1);
  const isInterrupted = last !== undefined && at - last.at > MAX_INTERVAL_SECONDS;
  const gap = isInterrupted ? [{ at: last.at + 1, statistics: null }] : [];
  return [...before, ...gap, { at, statistics }];
}
