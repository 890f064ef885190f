import { randomUUID } from 'node:crypto';
import { Refusal } from './api.mjs';

const REPORT = `mutation ($input: ReportTrafficInput!) { reportTraffic(input: $input) { applied refused } }`;
const MOST_ENTRIES = 5_000;

/** @typedef {{ nodeId: string, subscriptionId: string, upload: bigint, download: bigint }} Traffic */

/**
 * Reports traffic so that every byte counts once, however often answers are lost: a report that was not acknowledged
 * is sent again as it was, under the same number, and what came meanwhile waits for the next.
 */
export class TrafficReporter {
  /** One run of this program: the numbers of its reports begin anew. */
  #bootId = randomUUID();
  #sequence = 0n;
  /** @type {Map<string, Traffic>} */
  #counted = new Map();
  /** @type {{ bootId: string, sequence: string, entries: object[] } | null} */
  #unacknowledged = null;

  /** @param {{ api: import('./api.mjs').Api, log: (line: string) => void }} options */
  constructor({ api, log }) {
    this.api = api;
    this.log = log;
  }

  /** @param {Traffic} traffic bytes since the last call for this node and subscription */
  count({ nodeId, subscriptionId, upload, download }) {
    const key = `${nodeId} ${subscriptionId}`;
    const before = this.#counted.get(key) ?? { upload: 0n, download: 0n };
    const sum = { upload: before.upload + upload, download: before.download + download };
    this.#counted.set(key, { nodeId, subscriptionId, ...sum });
  }

  /** Sends everything that was counted; what cannot be sent now stays for the next time. */
  async report() {
    while (this.#unacknowledged || this.#counted.size > 0) {
      this.#unacknowledged ??= this.#nextReport();
      const { reportTraffic } = await this.api.ask(REPORT, { input: this.#unacknowledged }).catch((error) => {
        // The same report would be refused again: better to lose one than to report nothing any more.
        if (error instanceof Refusal && error.code === 'BAD_USER_INPUT') this.#unacknowledged = null;
        throw error;
      });
      this.#unacknowledged = null;
      if (reportTraffic.refused.length > 0)
        this.log(`traffic of ${reportTraffic.refused.length} subscriptions was refused`);
    }
  }

  #nextReport() {
    const some = [...this.#counted].slice(0, MOST_ENTRIES);
    for (const [key] of some) this.#counted.delete(key);
    this.#sequence += 1n;
    const entries = some.map(([, { upload, download, ...of }]) => ({
      ...of,
      upload: `${upload}`,
      download: `${download}`,
    }));
    return { bootId: this.#bootId, sequence: `${this.#sequence}`, entries };
  }
}
