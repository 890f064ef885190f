import type { Session } from '../session/session.ts';
import type { Transport } from '../session/transport.ts';
import { addSample, type Sample, type Statistics, WATCH_STATISTICS } from './statistics.ts';

/** What the panel shows. */
export interface FeedState {
  samples: readonly Sample[];
  latest: Statistics | null;
  /** On the clock of this page, in milliseconds; since when there is no newer message. */
  heardAt: number;
  /** Why nothing comes any more; null while it does. */
  problem: string | null;
}

/**
 * The statistics of the last minutes. Runs from when the panel is first opened until the admin signs out, so that
 * looking at another panel leaves no hole in the charts.
 */
export class StatisticsFeed {
  readonly #session: Session;
  readonly #transport: Transport;
  readonly #listeners = new Set<() => void>();
  #running: AsyncIterableIterator<unknown> | null = null;
  #isWanted = false;
  #state: FeedState = nothing();

  constructor({ session, transport }: { session: Session; transport: Transport }) {
    this.#session = session;
    this.#transport = transport;
    let { identity } = session.state;
    // After the transport, which has a new socket by then.
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

  /** From now on somebody wants to see it. Calling it again tries again when it has ended. */
  open(): void {
    this.#isWanted = true;
    this.#start();
  }

  #start(): void {
    const isAdmin = this.#session.state.identity?.role === 'ADMIN';
    if (!this.#isWanted || this.#running || !isAdmin) return;
    const messages = this.#transport.watch<{ statisticsChanged: Statistics }>(WATCH_STATISTICS);
    this.#running = messages;
    this.#change({ heardAt: performance.now(), problem: null });
    void this.#listen(messages);
  }

  async #listen(messages: ReturnType<Transport['watch']>): Promise<void> {
    let problem = 'The server has ended the statistics.';
    try {
      for await (const { data, errors } of messages) {
        if (this.#running !== messages) return;
        if (errors?.[0]) throw new Error(errors[0].message);
        this.#hear((data as { statisticsChanged: Statistics }).statisticsChanged);
      }
    } catch (error) {
      problem = sentenceOf(error);
    }
    if (this.#running !== messages) return;
    this.#running = null;
    this.#change({ problem });
  }

  #hear(latest: Statistics): void {
    this.#change({
      latest,
      samples: addSample(this.#state.samples, latest),
      heardAt: performance.now(),
      problem: null,
    });
  }

  #stop(): void {
    void this.#running?.return?.();
    this.#running = null;
    this.#change(nothing());
  }

  #change(changes: Partial<FeedState>): void {
    this.#state = { ...this.#state, ...changes };
    for (const listener of this.#listeners) listener();
  }
}

function nothing(): FeedState {
  return { samples: [], latest: null, heardAt: performance.now(), problem: null };
}

/** What graphql-ws throws: a list of errors, how the socket was closed, or an error. */
function sentenceOf(error: unknown): string {
  if (Array.isArray(error)) return String(error[0]?.message);
  if (error instanceof CloseEvent)
    return `The server has closed the websocket: ${error.code} ${error.reason}`;
  return error instanceof Error ? error.message : 'The connection has ended.';
}
