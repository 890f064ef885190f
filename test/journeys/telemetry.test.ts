import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  AllPlansDocument,
  CreatePlanDocument,
  CreateRedemptionCodesDocument,
  DeviceLoginDocument,
  OrderStatusChangedDocument,
  RedeemCodeDocument,
  RedemptionCodesDocument,
  ViewerChangedDocument,
} from '../generated/graphql.ts';
import { newSecret } from '../support/api.ts';
import type { Client } from '../support/client.ts';
import { unique } from '../support/factories.ts';
import { type Cluster, startCluster } from '../support/processes.ts';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 90_000 });

interface ExportedSpan {
  traceId: string;
  spanId: string;
  parentSpanId?: string;
  name: string;
  /** Process that exported it. */
  role: string;
  attributes: Record<string, string>;
}

interface ExportedMetric {
  name: string;
  sum?: { dataPoints: unknown[] };
  histogram?: { dataPoints: { bucketCounts: unknown[]; explicitBounds: number[]; count: unknown }[] };
}

/** A receiver of OTLP in JSON. */
const spans: ExportedSpan[] = [];
const metrics: ExportedMetric[] = [];
let receiver: Server;
let cluster: Cluster;

beforeAll(async () => {
  receiver = createServer(async (request, response) => {
    const body = await json(request);
    if (request.url === '/v1/traces') spans.push(...spansOf(body as Traces));
    if (request.url === '/v1/metrics') metrics.push(...metricsOf(body as Metrics));
    response.setHeader('content-type', 'application/json').end('{}');
  });
  await new Promise<void>((resolve) => receiver.listen(0, '127.0.0.1', resolve));
  const { port } = receiver.address() as AddressInfo;
  const env = { OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}/` };
  cluster = await startCluster({ api: 1, workers: 1, env });
});
afterAll(async () => {
  await cluster?.stop();
  receiver.close();
});

describe('OpenTelemetry', () => {
  it('has one trace from the request to the websocket message, across processes', async () => {
    const { client, code } = await prepare();
    const traceId = '0af7651916cd43dd8448eb211c80319c';
    const response = await fetch(`${cluster.apis[0]?.url}/graphql`, {
      method: 'POST',
      headers: {
        ...{ 'content-type': 'application/json', authorization: `Bearer ${client.token}` },
        traceparent: `00-${traceId}-b7ad6b7169203331-01`,
      },
      body: JSON.stringify({ query: String(RedeemCodeDocument), variables: { input: { code } } }),
    });
    const { data } = (await response.json()) as { data: { redeemCode: { id: string } } };
    await finished(client, data.redeemCode.id);

    const named = () => spans.filter((span) => span.traceId === traceId);
    const wanted = [
      ['mutation redeemCode', 'api'],
      ['accept orders', 'api'],
      ['enqueue orders', 'api'],
      ['job activate-order', 'worker'],
      ['activate orders', 'worker'],
    ];
    await vi.waitFor(
      () => {
        const found = new Set(named().map(({ name, role }) => `${name} ${role}`));
        expect([...found]).toEqual(expect.arrayContaining(wanted.map(([name, role]) => `${name} ${role}`)));
      },
      { timeout: 20_000, interval: 200 },
    );
    const byId = new Map(named().map((span) => [span.spanId, span]));
    const request = named().find(({ name }) => name === 'mutation redeemCode');
    expect(request?.parentSpanId).toBe('b7ad6b7169203331');
    const statements = named().filter(({ attributes }) => attributes['db.system.name'] === 'postgresql');
    expect(statements.length).toBeGreaterThan(5);
    for (const span of named()) {
      if (span !== request) expect(byId.has(span.parentSpanId ?? '')).toBe(true);
    }
    expect(JSON.stringify(named())).not.toContain(code);
    expect(JSON.stringify(named())).not.toContain(client.token);
  });

  it('traces the message that a waiting app gets', async () => {
    const { client, code } = await prepare();
    const messages = client.subscribe(ViewerChangedDocument);
    await messages.next();
    await client.get(RedeemCodeDocument, { input: { code } });
    for await (const { data } of messages) if (data?.viewerChanged.subscriptions.length === 1) break;

    const isMessage = ({ name }: ExportedSpan) => name === 'websocket message';
    const traceOf = ({ traceId }: ExportedSpan) =>
      spans.filter((span) => span.traceId === traceId).map(({ name }) => name);
    await vi.waitFor(
      () =>
        expect(spans.filter(isMessage).map(traceOf)).toContainEqual(
          expect.arrayContaining(['mutation redeemCode', 'job activate-order', 'activate orders']),
        ),
      { timeout: 20_000, interval: 200 },
    );
  });

  it('exports the metrics, with the last ones when a process stops', async () => {
    await cluster.stop();

    const names = new Set(metrics.map(({ name }) => name));
    expect([...names]).toEqual(
      expect.arrayContaining([
        'tessera_operation_duration_seconds',
        'tessera_websockets',
        'process_cpu_seconds_total',
      ]),
    );
    const durations = metrics.findLast(
      ({ name, histogram }) => name === 'tessera_operation_duration_seconds' && histogram?.dataPoints[0],
    );
    const [point] = durations?.histogram?.dataPoints ?? [];
    expect(point?.bucketCounts).toHaveLength((point?.explicitBounds.length ?? 0) + 1);
    expect(Number(point?.count)).toBe(
      point?.bucketCounts.reduce<number>((sum, count) => sum + Number(count), 0),
    );
  });
});

/** Waits for the message that the order is activated. */
async function finished(client: Client, id: string): Promise<void> {
  for await (const { data } of client.subscribe(OrderStatusChangedDocument, { id })) {
    if (data?.orderStatusChanged.status === 'FINISHED') return;
  }
}

/** Creates a code, and a customer who is logged in. */
async function prepare() {
  const client = cluster.client(0);
  const input = { identifier: unique('device'), secret: newSecret() };
  const { deviceLogin } = await client.get(DeviceLoginDocument, { input });
  client.token = deviceLogin.accessToken;
  return { client, code: await newCode() };
}

async function newCode(): Promise<string> {
  const admin = await cluster.admin(0);
  const { allPlans } = await admin.get(AllPlansDocument, { first: 1 });
  const planId =
    allPlans?.nodes[0]?.id ??
    (await admin.get(CreatePlanDocument, { input: { name: 'Traced' } })).createPlan.id;
  const { createRedemptionCodes } = await admin.get(CreateRedemptionCodesDocument, {
    input: { planId, unitTime: 'MONTH', quantity: 1, count: 1 },
  });
  const { redemptionCodes } = await admin.get(RedemptionCodesDocument, {
    filter: { batchId: createRedemptionCodes.id },
    first: 1,
  });
  return redemptionCodes?.nodes[0]?.code ?? '';
}

interface Attribute {
  key: string;
  value: { stringValue?: string };
}
interface Traces {
  resourceSpans: {
    resource: { attributes: Attribute[] };
    scopeSpans: { spans: (Omit<ExportedSpan, 'attributes'> & { attributes: Attribute[] })[] }[];
  }[];
}
interface Metrics {
  resourceMetrics: { scopeMetrics: { metrics: ExportedMetric[] }[] }[];
}

const toRecord = (attributes: Attribute[]) =>
  Object.fromEntries(attributes.map(({ key, value }) => [key, value.stringValue ?? '']));

const spansOf = ({ resourceSpans }: Traces): ExportedSpan[] =>
  resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans.flatMap((scope) =>
      scope.spans.map((span) => ({
        ...span,
        attributes: toRecord(span.attributes),
        role: toRecord(resource.attributes)['tessera.role'] ?? '',
      })),
    ),
  );

const metricsOf = ({ resourceMetrics }: Metrics): ExportedMetric[] =>
  resourceMetrics.flatMap(({ scopeMetrics }) => scopeMetrics.flatMap((scope) => scope.metrics));
