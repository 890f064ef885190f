import { createSemaphore } from '../concurrency/semaphore.ts';
import type { Logger } from '../logger.ts';
import type { PubSub } from './pubsub.ts';
import { type KindOptions, WatchKind } from './watch-kind.ts';

export interface WatcherOptions {
  pubSub: Pick<PubSub, 'onWake' | 'onReconnect'>;
  log: Pick<Logger, 'warn'>;
  /** How long a change stays unseen at most when its wake-up was lost. Two seconds unless told. */
  pollMs?: number;
  /**
   * Whether a read failed because something is away for a moment: the stream then waits and tries
   * again.
   */
  isTransient?: (error: unknown) => boolean;
  /**
   * How many reads after wake-ups run at once, so that waking everybody leaves the database to
   * others too.
   */
  maxReads?: number;
}

/** Streams of present values, told of changes by pub/sub and, where that fails, by a poll. */
export interface Watcher {
  kind(options: KindOptions): WatchKind;
  /** Completes every stream, and each that starts later at once. */
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
