import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** What `/metrics` shows, in the text format of Prometheus. */
export interface Metrics {
  registry: Registry;
  /** Errors that clients got, by code. */
  errors: Counter<'code'>;
  /** Websockets that are open. */
  sockets: Gauge;
  /** Adds a figure that is read whenever somebody looks; NaN while it cannot be read. */
  observe: (name: string, help: string, read: () => Promise<number>) => void;
}

export function createMetrics(): Metrics {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry });
  return {
    registry,
    errors: new Counter({
      name: 'tessera_errors_total',
      help: 'Errors that clients got, by code',
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
    sockets: new Gauge({
      name: 'tessera_websockets',
      help: 'Websockets that are open',
      registers: [registry],
    }),
  };
}
