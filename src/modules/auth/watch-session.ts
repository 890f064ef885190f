import type { Services } from '../../platform/services.ts';
import { SESSION_LIVES } from './find-session.ts';
import { SESSION_ENDED } from './session.events.ts';

const POLL_MS = 2_000;
const IDS_PER_QUERY = 5_000;

/** Tells those who hold something open for a session when it has ended. */
export interface SessionWatch {
  /**
   * Calls `ended` once when the session has ended, or its account or device was disabled: at once when the wake-up
   * arrives, else with the next poll.
   *
   * @returns stops watching
   */
  watch(sessionId: string, ended: () => void): () => void;
  /** How many sessions are watched. */
  readonly size: number;
}

/** Watching costs nothing by itself: one query every two seconds asks for all sessions together. */
export function createSessionWatch(
  services: Pick<Services, 'db' | 'pubSub' | 'log'>,
  { pollMs = POLL_MS }: { pollMs?: number } = {},
): SessionWatch {
  return new PolledSessions(services, pollMs);
}

class PolledSessions implements SessionWatch {
  readonly #services: Pick<Services, 'db' | 'log'>;
  readonly #pollMs: number;
  readonly #watched = new Map<string, Set<() => void>>();
  /** What the next query asks for. */
  readonly #due = new Set<string>();
  #isAsking = false;
  #timer: NodeJS.Timeout | undefined;

  constructor({ pubSub, ...services }: Pick<Services, 'db' | 'pubSub' | 'log'>, pollMs: number) {
    this.#services = services;
    this.#pollMs = pollMs;
    pubSub.onWake((topic, ids) => {
      if (topic === SESSION_ENDED) this.#ask(ids.filter((id) => this.#watched.has(id)));
    });
    pubSub.onReconnect(() => this.#ask(this.#watched.keys()));
  }

  get size(): number {
    return this.#watched.size;
  }

  watch(sessionId: string, ended: () => void): () => void {
    const watchers = this.#watched.get(sessionId) ?? new Set();
    const watcher = () => ended();
    this.#watched.set(sessionId, watchers.add(watcher));
    this.#timer ??= setInterval(() => this.#ask(this.#watched.keys()), this.#pollMs).unref();
    return () => {
      watchers.delete(watcher);
      if (watchers.size === 0 && this.#watched.get(sessionId) === watchers) this.#forget(sessionId);
    };
  }

  #forget(sessionId: string): void {
    this.#watched.delete(sessionId);
    if (this.#watched.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #ask(sessionIds: Iterable<string>): void {
    for (const id of sessionIds) this.#due.add(id);
    if (this.#isAsking || this.#due.size === 0) return;
    this.#isAsking = true;
    void this.#askAll().finally(() => {
      this.#isAsking = false;
    });
  }

  /** What becomes due meanwhile is asked for again: the answer under way may be older. */
  async #askAll(): Promise<void> {
    try {
      while (this.#due.size > 0) {
        const ids = [...this.#due].slice(0, IDS_PER_QUERY);
        for (const id of ids) this.#due.delete(id);
        for (const id of await findEnded(this.#services, ids)) this.#end(id);
      }
    } catch (err) {
      this.#due.clear();
      this.#services.log.warn({ err }, 'it is not known which sessions have ended; the next poll asks again');
    }
  }

  #end(sessionId: string): void {
    const watchers = this.#watched.get(sessionId) ?? [];
    this.#forget(sessionId);
    for (const ended of watchers) ended();
  }
}

/** Which of the sessions have ended, or belong to an account or a device that is disabled. */
async function findEnded({ db }: Pick<Services, 'db'>, sessionIds: string[]): Promise<string[]> {
  const rows = await db.$queryRaw<{ id: string }[]>`
    SELECT w.id
    FROM unnest(${sessionIds}::uuid[]) AS w(id)
    WHERE NOT EXISTS (
      SELECT FROM sessions s
      JOIN users u ON u.id = s.user_id
      LEFT JOIN devices d ON d.id = s.device_id
      WHERE s.id = w.id AND ${SESSION_LIVES})`;
  return rows.map(({ id }) => id);
}
