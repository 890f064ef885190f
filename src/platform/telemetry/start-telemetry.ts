import type { Registry } from 'prom-client';
import type { Logger } from '../logger.ts';
import { ownVersion } from '../own-package.ts';
import { type SpanStarter, setSpanStarter } from './tracing.ts';

export interface TelemetrySettings {
  /** URL of an OTLP receiver over HTTP, without `/v1/…`. */
  endpoint: string;
  serviceName: string;
  /** Share of the traces that start here and are exported, from 0 to 1. */
  traceRatio: number;
  /** ROLE of the process. */
  role: string;
  processId: string;
  log: Pick<Logger, 'warn'>;
}

export interface Telemetry {
  /** Exports the metrics of a registry, every 30 s and at the end. */
  exportMetrics: (registry: Registry) => void;
  /** Exports what is left, within 2 s. */
  stop: () => Promise<void>;
}

const METRICS_EVERY_MS = 30_000;
const EXPORT_TIMEOUT_MS = 2_000;
/** Spans that wait for their export. Further ones are dropped. */
const MAX_SPANS = 4_096;

/**
 * Starts exporting traces, and metrics on request. Nothing else loads OpenTelemetry.
 */
export async function startTelemetry(settings: TelemetrySettings): Promise<Telemetry> {
  const [api, sdk, { resourceFromAttributes }, { OTLPTraceExporter }] = await Promise.all([
    import('@opentelemetry/api'),
    import('@opentelemetry/sdk-trace-base'),
    import('@opentelemetry/resources'),
    import('@opentelemetry/exporter-trace-otlp-http'),
  ]);
  api.diag.setLogger(warningsOf(settings.log), { logLevel: api.DiagLogLevel.WARN });
  const resource = resourceFromAttributes({
    'service.name': settings.serviceName,
    'service.version': ownVersion(),
    'service.instance.id': settings.processId,
    'tessera.role': settings.role,
  });
  const exporter = new OTLPTraceExporter({
    url: urlOf(settings.endpoint, 'traces'),
    timeoutMillis: EXPORT_TIMEOUT_MS,
  });
  const provider = new sdk.BasicTracerProvider({
    resource,
    sampler: new sdk.ParentBasedSampler({ root: new sdk.TraceIdRatioBasedSampler(settings.traceRatio) }),
    spanProcessors: [new sdk.BatchSpanProcessor(exporter, { maxQueueSize: MAX_SPANS })],
  });
  setSpanStarter(starterOf(api, provider.getTracer('tessera')));
  const stops = [() => provider.shutdown()];
  return {
    exportMetrics: (registry) => {
      stops.push(exportMetrics(registry, { ...settings, resource }));
    },
    stop: async () => {
      setSpanStarter(undefined);
      await Promise.allSettled(stops.map((stop) => stop()));
    },
  };
}

const urlOf = (endpoint: string, signal: 'traces' | 'metrics') =>
  `${endpoint.replace(/\/+$/, '')}/v1/${signal}`;

type Api = typeof import('@opentelemetry/api');

function starterOf(api: Api, tracer: import('@opentelemetry/api').Tracer): SpanStarter {
  const kinds = {
    server: api.SpanKind.SERVER,
    client: api.SpanKind.CLIENT,
    consumer: api.SpanKind.CONSUMER,
    internal: api.SpanKind.INTERNAL,
  };
  return {
    start: (name, { parent, links, kind, attributes }) =>
      tracer.startSpan(
        name,
        { kind: kinds[kind], attributes, links: links.map((context) => ({ context })) },
        parent ? api.trace.setSpanContext(api.ROOT_CONTEXT, parent) : api.ROOT_CONTEXT,
      ),
  };
}

function exportMetrics(
  registry: Registry,
  { endpoint, resource }: TelemetrySettings & { resource: import('@opentelemetry/resources').Resource },
): () => Promise<void> {
  const started = Promise.all([
    import('@opentelemetry/sdk-metrics'),
    import('@opentelemetry/exporter-metrics-otlp-http'),
    import('./prometheus-producer.ts'),
  ]).then(([sdk, { OTLPMetricExporter }, { PrometheusProducer }]) => {
    const reader = new sdk.PeriodicExportingMetricReader({
      exporter: new OTLPMetricExporter({
        url: urlOf(endpoint, 'metrics'),
        timeoutMillis: EXPORT_TIMEOUT_MS,
      }),
      exportIntervalMillis: METRICS_EVERY_MS,
      exportTimeoutMillis: EXPORT_TIMEOUT_MS,
      metricProducers: [new PrometheusProducer(registry, resource)],
    });
    return new sdk.MeterProvider({ resource, readers: [reader] });
  });
  return async () => (await started).shutdown();
}

/** An unreachable receiver must not fill the log: the settings merge repeated warnings. */
function warningsOf(log: Pick<Logger, 'warn'>) {
  const warn = (message: string) => log.warn({ reason: message }, 'failed to export telemetry');
  return { error: warn, warn, info: () => {}, debug: () => {}, verbose: () => {} };
}
