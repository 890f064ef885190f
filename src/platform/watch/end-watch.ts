import type { Logger } from '../logger.ts';
import { Poller } from './poller.ts';
import type { PubSub } from './pubsub.ts';

const POLL_MS = 2_000;

/**
 * Notifies the holders of open connections when the session or token they depend on is no longer
 * valid.
 */
export interface EndWatch {
  /**
   * Calls `ended` once, when the id is no longer valid: immediately after a wake-up, otherwise at
   * the next poll.
   *
   * @returns a function that stops watching
   */
  watch(id: string, ended: () => void): () => void;
  /** Number of watched ids. */
  readonly size: number;
}

export interface EndWatchOptions {
  pubSub: Pick<PubSub, 'onWake' | 'onReconnect'>;
  log: Pick<Logger, 'warn'>;
  /** Wake-ups under this topic mean that an id may have become invalid. */
  topic: string;
  /** Returns those of the ids (at most 5,000) that are no longer valid. */
  findEnded(ids: string[]): Promise<string[]>;
  /** Default 2,000. */
  pollMs?: number | undefined;
}

/** All watched ids share one query per poll, so that watching another one is cheap. */
export function createEndWatch({ pubSub, log, topic, findEnded, pollMs }: EndWatchOptions): EndWatch {
  const poller = new Poller<() => void>({
    ...{ log, topic, pollMs: pollMs ?? POLL_MS },
    check: async (ids) => {
      for (const id of await findEnded(ids)) {
        for (const watcher of poller.watchersOf(id)) {
          // An earlier callback may have stopped this watcher.
          if (poller.remove(id, watcher)) watcher();
        }
      }
    },
  });
  pubSub.onWake((wakeTopic, ids) => {
    if (wakeTopic === topic) poller.check(ids);
  });
  pubSub.onReconnect(() => poller.check(poller.ids));
  return {
    get size() {
      return poller.ids.length;
    },
    watch(id, ended) {
      // Wrapped, because the same callback may watch an id more than once.
      const watcher = () => ended();
      poller.add(id, watcher);
      return () => void poller.remove(id, watcher);
    },
  };
}
