import { randomUUID } from 'node:crypto';
import { Refusal } from './api.mjs';

const REPORT = `mutation ($input: ReportTrafficInput!) { reportTraffic(input: $input) { applied refused } }`;
const MAX_ENTRIES = 5_000;

/**
 * @typedef {object} Traffic bytes of one subscription at one node
 * @property {string} nodeId
 * @property {string} subscriptionId
 * @property {bigint} upload
 * @property {bigint} download
 */

/**
 * Reports every byte exactly once, even if responses are lost. An unacknowledged report is retried
 * unchanged under the same sequence; traffic that is counted meanwhile goes into the next report.
 */
export class TrafficReporter {
  /** Identifies this run of the program, in which sequences start at 1. */
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

  /** Reports all counted traffic. After an error the rest is kept for the next call. */
  async report() {
    while (this.#unacknowledged || this.#counted.size > 0) {
      this.#unacknowledged ??= this.#nextReport();
      const { reportTraffic } = await this.api.ask(REPORT, { input: this.#unacknowledged }).catch((error) => {
        // Retrying would fail again. Dropping one report is better than never reporting again.
        if (error instanceof Refusal && error.code === 'BAD_USER_INPUT') this.#unacknowledged = null;
        throw error;
      });
      this.#unacknowledged = null;
      if (reportTraffic.refused.length > 0)
        this.log(`traffic of ${reportTraffic.refused.length} subscriptions was refused`);
    }
  }

  #nextReport() {
    const next = [...this.#counted].slice(0, MAX_ENTRIES);
    for (const [key] of next) this.#counted.delete(key);
    this.#sequence += 1n;
    const entries = next.map(([, { upload, download, ...ids }]) => ({
      ...ids,
      upload: `${upload}`,
      download: `${download}`,
    }));
    return { bootId: this.#bootId, sequence: `${this.#sequence}`, entries };
  }
}
