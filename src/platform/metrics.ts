import { Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client';

/** What `/metrics` shows, in the text format of Prometheus. */
export interface Metrics {
  registry: Registry;
  /** Errors that clients got, by code. */
  errors: Counter<'code'>;
  /** Websockets that are open. */
  sockets: Gauge;
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
    sockets: new Gauge({
      name: 'tessera_websockets',
      help: 'Websockets that are open',
      registers: [registry],
    }),
  };
}
