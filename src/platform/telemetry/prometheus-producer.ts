import { type HrTime, ValueType } from '@opentelemetry/api';
import type { Resource } from '@opentelemetry/resources';
import {
  AggregationTemporality,
  type CollectionResult,
  type DataPoint,
  DataPointType,
  type Histogram,
  InstrumentType,
  type MetricData,
  type MetricProducer,
} from '@opentelemetry/sdk-metrics';
import type { MetricObjectWithValues, MetricValue, Registry } from 'prom-client';

type Metric = MetricObjectWithValues<MetricValue<string> & { metricName?: string }>;

/** Reads the metrics of a Prometheus registry in the form of OpenTelemetry. */
export class PrometheusProducer implements MetricProducer {
  readonly #registry: Registry;
  readonly #resource: Resource;
  readonly #startTime = now();

  constructor(registry: Registry, resource: Resource) {
    this.#registry = registry;
    this.#resource = resource;
  }

  async collect(): Promise<CollectionResult> {
    const metrics = (await this.#registry.getMetricsAsJSON()) as unknown as Metric[];
    const converted = metrics.flatMap((metric) => this.#convert(metric) ?? []);
    const scope = { name: 'tessera' };
    return {
      resourceMetrics: { resource: this.#resource, scopeMetrics: [{ scope, metrics: converted }] },
      errors: [],
    };
  }

  #convert(metric: Metric): MetricData | undefined {
    const { name, help: description } = metric;
    const about = (type: InstrumentType) => ({
      descriptor: { ...{ name, description, type, unit: '' }, valueType: ValueType.DOUBLE, advice: {} },
      aggregationTemporality: AggregationTemporality.CUMULATIVE,
    });
    switch (String(metric.type)) {
      case 'counter':
        return {
          ...about(InstrumentType.COUNTER),
          ...{ dataPointType: DataPointType.SUM, isMonotonic: true, dataPoints: this.#numbers(metric) },
        };
      case 'gauge':
        return {
          ...about(InstrumentType.GAUGE),
          ...{ dataPointType: DataPointType.GAUGE, dataPoints: this.#numbers(metric) },
        };
      case 'histogram':
        return {
          ...about(InstrumentType.HISTOGRAM),
          ...{ dataPointType: DataPointType.HISTOGRAM, dataPoints: this.#histograms(metric) },
        };
      default:
        return undefined;
    }
  }

  #numbers({ values }: Metric): DataPoint<number>[] {
    return values
      .filter(({ value }) => Number.isFinite(value))
      .map(({ labels, value }) => ({ ...this.#times(), attributes: { ...labels }, value }));
  }

  /** Prometheus counts cumulatively up to each bound; OpenTelemetry counts each bucket alone. */
  #histograms(metric: Metric): DataPoint<Histogram>[] {
    const series = new Map<string, { labels: Record<string, string>; rows: Metric['values'] }>();
    for (const row of metric.values) {
      const { le: _, ...labels } = row.labels as Record<string, string>;
      const key = JSON.stringify(labels);
      const found = series.get(key) ?? { labels, rows: [] };
      found.rows.push(row);
      series.set(key, found);
    }
    return [...series.values()].map(({ labels, rows }) => {
      const total = (suffix: string) =>
        rows.find(({ metricName }) => metricName === `${metric.name}_${suffix}`)?.value ?? 0;
      const buckets = rows.filter(({ labels: { le } }) => le !== undefined);
      const boundaries = buckets.map(({ labels: { le } }) => Number(le)).filter(Number.isFinite);
      const counts = buckets.map(({ value }, at) => value - (buckets[at - 1]?.value ?? 0));
      const value = { buckets: { boundaries, counts }, count: total('count'), sum: total('sum') };
      return { ...this.#times(), attributes: labels, value };
    });
  }

  #times() {
    return { startTime: this.#startTime, endTime: now() };
  }
}

function now(): HrTime {
  const ms = Date.now();
  return [Math.floor(ms / 1_000), (ms % 1_000) * 1_000_000];
}
