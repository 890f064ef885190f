import { createSemaphore } from '../concurrency/semaphore.ts';
import type { Logger } from '../logger.ts';
import type { PubSub } from './pubsub.ts';
import { type KindOptions, WatchKind } from './watch-kind.ts';

export interface WatcherOptions {
  pubSub: Pick<PubSub, 'onWake' | 'onReconnect'>;
  log: Pick<Logger, 'warn'>;
  /**
   * Polling interval, and so the longest delay of a change whose wake-up was lost. Default 2,000.
   */
  pollMs?: number;
  /** Recognizes errors of reads after which the stream waits and retries. Default none. */
  isTransient?: (error: unknown) => boolean;
  /**
   * Concurrent reads after wake-ups, so that a wake-up of all streams leaves connections for
   * others. Default 16.
   */
  maxReads?: number;
}

/**
 * Streams of current values. Pub/sub signals changes; a poll detects those whose wake-up was lost.
 */
export interface Watcher {
  kind(options: KindOptions): WatchKind;
  /** Completes all streams. Streams that start later complete immediately. */
  close(): void;
}

export function createWatcher({ pubSub, maxReads = 16, ...options }: WatcherOptions): Watcher {
  const kinds = new Set<WatchKind>();
  const limit = createSemaphore(maxReads);
  const stopListening = [
    pubSub.onWake((topic, ids) => {
      for (const kind of kinds) {
        if (kind.topic === topic) kind.wake(ids);
        if (kind.pollOn === topic) kind.pollSoon();
      }
    }),
    pubSub.onReconnect(() => {
      for (const kind of kinds) kind.wakeAll();
    }),
  ];
  return {
    kind(kindOptions) {
      const kind = new WatchKind({
        pollMs: 2_000,
        isTransient: () => false,
        ...options,
        ...kindOptions,
        limit: kindOptions.maxReads ? createSemaphore(kindOptions.maxReads) : limit,
      });
      kinds.add(kind);
      return kind;
    },
    close() {
      for (const stop of stopListening) stop();
      for (const kind of kinds) kind.close();
    },
  };
}
