import type { Session } from '../session/session.ts';
import type { Transport } from '../session/transport.ts';
import { addSample, type Sample, type Statistics, WATCH_STATISTICS } from './statistics.ts';

/** State of the feed, as the panel shows it. */
export interface FeedState {
  samples: readonly Sample[];
  latest: Statistics | null;
  /** When the last message was received, in milliseconds by `performance.now()`. */
  receivedAt: number;
  /** Why the subscription ended; null while it is active. */
  problem: string | null;
}

/**
 * Statistics of the last five minutes. Runs from the first time that the panel is opened until the
 * admin signs out, so that switching panels leaves no gap in the charts.
 */
export class StatisticsFeed {
  readonly #session: Session;
  readonly #transport: Transport;
  readonly #listeners = new Set<() => void>();
  #running: AsyncIterableIterator<unknown> | null = null;
  #isWanted = false;
  #state: FeedState = emptyState();

  constructor({ session, transport }: { session: Session; transport: Transport }) {
    this.#session = session;
    this.#transport = transport;
    let { identity } = session.state;
    // Runs after the transport's listener, so it gets the new socket.
    session.subscribe(() => {
      if (session.state.identity === identity) return;
      identity = session.state.identity;
      this.#stop();
      this.#start();
    });
  }

  get state(): FeedState {
    return this.#state;
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  };

  /** Starts the feed. Calling it again restarts a feed that has ended. */
  open(): void {
    this.#isWanted = true;
    this.#start();
  }

  #start(): void {
    const isAdmin = this.#session.state.identity?.role === 'ADMIN';
    if (!this.#isWanted || this.#running || !isAdmin) return;
    const messages = this.#transport.watch<{ statisticsChanged: Statistics }>(WATCH_STATISTICS);
    this.#running = messages;
    this.#change({ receivedAt: performance.now(), problem: null });
    void this.#listen(messages);
  }

  async #listen(messages: ReturnType<Transport['watch']>): Promise<void> {
    let problem = 'The server completed the subscription.';
    try {
      for await (const { data, errors } of messages) {
        if (this.#running !== messages) return;
        if (errors?.[0]) throw new Error(errors[0].message);
        this.#receive((data as { statisticsChanged: Statistics }).statisticsChanged);
      }
    } catch (error) {
      problem = messageOf(error);
    }
    if (this.#running !== messages) return;
    this.#running = null;
    this.#change({ problem });
  }

  #receive(latest: Statistics): void {
    this.#change({
      latest,
      samples: addSample(this.#state.samples, latest),
      receivedAt: performance.now(),
      problem: null,
    });
  }

  #stop(): void {
    void this.#running?.return?.();
    this.#running = null;
    this.#change(emptyState());
  }

  #change(changes: Partial<FeedState>): void {
    this.#state = { ...this.#state, ...changes };
    for (const listener of this.#listeners) listener();
  }
}

function emptyState(): FeedState {
  return { samples: [], latest: null, receivedAt: performance.now(), problem: null };
}

/** Describes what graphql-ws throws: a list of GraphQL errors, a CloseEvent or an Error. */
function messageOf(error: unknown): string {
  if (Array.isArray(error)) return String(error[0]?.message);
  if (error instanceof CloseEvent) return `The server closed the websocket: ${error.code} ${error.reason}`;
  return error instanceof Error ? error.message : 'The connection was closed.';
}
