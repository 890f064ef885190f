import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { LocalCacheUsage } from '../local-cache.ts';

/** Metrics that `/metrics` exposes in the Prometheus text format. */
export interface Metrics {
  registry: Registry;
  /** Errors returned to clients, by code. */
  errors: Counter<'code'>;
  /** Duration of operations over HTTP. Responses from the cache are not included. */
  operations: Histogram<'operation' | 'outcome'>;
  /** Messages sent on websockets. */
  messages: Counter<'operation' | 'outcome'>;
  /** Number of open websockets. */
  sockets: Gauge;
  /** Adds a gauge that is read at each scrape; NaN if reading fails. */
  observe: (name: string, help: string, read: () => Promise<number>) => void;
  /** Adds a counter that is read at each scrape. */
  observeTotal: (name: string, help: string, read: () => number) => void;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    errors: new Counter({
      name: 'tessera_errors_total',
      help: 'Errors returned to clients, by code',
      labelNames: ['code'],
      registers: [registry],
    }),
    operations: new Histogram({
      name: 'tessera_operation_duration_seconds',
      help: 'Duration of GraphQL operations over HTTP by first root field; outcome is ok, refused or failed',
      labelNames: ['operation', 'outcome'],
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10],
      registers: [registry],
    }),
    messages: new Counter({
      name: 'tessera_socket_messages_total',
      help: 'Messages of subscriptions on websockets by first root field; outcome is ok or failed',
      labelNames: ['operation', 'outcome'],
      registers: [registry],
    }),
    observe: (name, help, read) => {
      new Gauge({
        name,
        help,
        registers: [registry],
        async collect() {
          this.set(await read().catch(() => Number.NaN));
        },
      });
    },
    observeTotal: (name, help, read) => {
      new Counter({
        name,
        help,
        registers: [registry],
        collect() {
          this.reset();
          this.inc(read());
        },
      });
    },
    sockets: new Gauge({
      name: 'tessera_websockets',
      help: 'Open websockets',
      registers: [registry],
    }),
  };
}

const FAILURES = new Set(['INTERNAL_SERVER_ERROR', 'SERVICE_UNAVAILABLE']);

/** Whether an operation was refused for a reason of the client's, or failed for one of ours. */
export function outcomeOf(errorCode: string | undefined): 'ok' | 'refused' | 'failed' {
  if (errorCode === undefined) return 'ok';
  return FAILURES.has(errorCode) ? 'failed' : 'refused';
}

/**
 * Observes the size of a local cache and its hits.
 *
 * @param name as in `cached_responses`
 */
export function observeCache(
  { observe, observeTotal }: Pick<Metrics, 'observe' | 'observeTotal'>,
  name: string,
  cache: { usage(): LocalCacheUsage },
): void {
  observe(`tessera_${name}`, `Entries of ${name}`, async () => cache.usage().entries);
  observe(`tessera_${name}_bytes`, `Bytes of ${name}`, async () => cache.usage().bytes);
  observeTotal(`tessera_${name}_hits_total`, `Values found in ${name}`, () => cache.usage().hits);
  observeTotal(`tessera_${name}_misses_total`, `Values not in ${name}`, () => cache.usage().misses);
}
