import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import writeFileAtomic from 'write-file-atomic';
import { z } from 'zod';
import type { CountedRun } from '../core/core.ts';
import { userOfEmail } from '../core/nodes.ts';

const MAX_ENTRIES = 5_000;

const Bytes = z.tuple([z.string().regex(/^\d+$/), z.string().regex(/^\d+$/)]);
const Entry = z.object({
  nodeId: z.string(),
  subscriptionId: z.string(),
  upload: z.string(),
  download: z.string(),
});

const State = z.object({
  bootId: z.string(),
  sequence: z.number().int(),
  /** The run whose counters were read last, and the counters by email. */
  runId: z.string().nullable(),
  counters: z.record(z.string(), Bytes),
  /** Bytes by email that are not in a report yet. */
  unreported: z.record(z.string(), Bytes),
  /** The report that is being sent; it is repeated unchanged until it is acknowledged. */
  report: z.object({ sequence: z.number().int(), entries: z.array(Entry) }).nullable(),
});
type State = z.infer<typeof State>;

/** A report as the API takes it. */
export interface TrafficReport {
  bootId: string;
  sequence: string;
  entries: z.infer<typeof Entry>[];
}

const newState = (): State => ({
  ...{ bootId: randomUUID(), sequence: 0, runId: null },
  ...{ counters: {}, unreported: {}, report: null },
});

/**
 * Counts bytes exactly once across crashes of the agent and the core. Counters of a core only
 * increase, so the journal keeps what was read last, and the difference is what is new. The file is
 * replaced and flushed before anything depends on it.
 */
export class TrafficJournal {
  readonly #file: string;
  #state: State;
  /** A change starts from the result of the one before: counting and reporting happen concurrently. */
  #turn: Promise<unknown> = Promise.resolve();

  private constructor(file: string, state: State) {
    this.#file = file;
    this.#state = state;
  }

  /** @throws Error if there is a journal that cannot be read: it must not be overwritten */
  static open(file: string): TrafficJournal {
    let text: string;
    try {
      text = readFileSync(file, 'utf8');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return new TrafficJournal(file, newState());
      throw error;
    }
    const parsed = State.safeParse(parseJson(text));
    if (parsed.success) return new TrafficJournal(file, parsed.data);
    throw new Error(`${file} is damaged. Move it away to start without the traffic that it has`);
  }

  /** Adds what the core has counted since the last call. */
  count(run: CountedRun): Promise<void> {
    return this.#inTurn(() => this.#count(run));
  }

  async #count({ runId, counters }: CountedRun): Promise<void> {
    const state = this.#state;
    const known = state.runId === runId ? state.counters : {};
    const next: State['counters'] = {};
    const unreported = { ...state.unreported };
    let isChanged = state.runId !== runId;
    for (const [email, { upload, download }] of counters) {
      const [before, beforeDown] = bytesIn(known[email]);
      next[email] = [`${upload}`, `${download}`];
      if (upload === before && download === beforeDown) continue;
      isChanged = true;
      const [up, down] = bytesIn(unreported[email]);
      unreported[email] = [`${up + upload - before}`, `${down + download - beforeDown}`];
    }
    if (isChanged) await this.#save({ ...state, runId, counters: next, unreported });
  }

  /** The report to send next; null if everything was acknowledged. */
  nextReport(): Promise<TrafficReport | null> {
    return this.#inTurn(async () => {
      if (!this.#state.report) await this.#beginReport();
      const { bootId, report } = this.#state;
      return report && { bootId, sequence: `${report.sequence}`, entries: report.entries };
    });
  }

  async #beginReport(): Promise<void> {
    const { unreported, ...state } = this.#state;
    const emails = Object.keys(unreported).slice(0, MAX_ENTRIES);
    if (emails.length === 0) return;
    const entries = emails.flatMap((email) => {
      const user = userOfEmail(email);
      const [upload = '0', download = '0'] = unreported[email] ?? [];
      return user ? { ...user, upload, download } : [];
    });
    const rest = Object.fromEntries(Object.entries(unreported).slice(MAX_ENTRIES));
    const sequence = state.sequence + 1;
    await this.#save({ ...state, unreported: rest, sequence, report: { sequence, entries } });
  }

  /** Forgets the report that the API has counted, or will never count. */
  finishReport(): Promise<void> {
    return this.#inTurn(() => this.#save({ ...this.#state, report: null }));
  }

  #inTurn<Result>(work: () => Promise<Result>): Promise<Result> {
    const result = this.#turn.then(work);
    this.#turn = result.catch(() => {});
    return result;
  }

  async #save(state: State): Promise<void> {
    await writeFileAtomic(this.#file, JSON.stringify(state), { mode: 0o600 });
    this.#state = state;
  }
}

const bytesIn = (stored: readonly [string, string] | undefined): [bigint, bigint] =>
  stored ? [BigInt(stored[0]), BigInt(stored[1])] : [0n, 0n];

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
