import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';
import type { LocalCacheUsage } from './local-cache.ts';

/** Metrics that `/metrics` exposes in the Prometheus text format. */
export interface Metrics {
  registry: Registry;
  /** Errors returned to clients, by code. */
  errors: Counter<'code'>;
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
