import { AsyncLocalStorage } from 'node:async_hooks';
import type { Attributes, Span, SpanContext } from '@opentelemetry/api';

/*
 * Traces for OpenTelemetry: one per request, with its statements, jobs and websocket messages, also
 * in other processes. While tracing is off, nothing of OpenTelemetry is loaded.
 */

/** The part of OpenTelemetry that starts spans. */
export interface SpanStarter {
  start: (name: string, options: StartOptions) => Span;
}

interface StartOptions {
  parent: SpanContext | undefined;
  links: readonly SpanContext[];
  kind: SpanKind;
  attributes: Attributes;
}

/** The kind of work, seen from this process. */
type SpanKind = 'server' | 'client' | 'consumer' | 'internal';

interface SpanDetails {
  /** The span that caused this one, as a `traceparent` header. By default the current one. */
  parent?: string | undefined;
  /** Further spans that caused it, as `traceparent` headers. */
  links?: readonly string[];
  /** Whether it starts a trace if nothing caused it. Otherwise such work has no span. */
  isRoot?: boolean;
  /** Default `internal`. */
  kind?: SpanKind;
  attributes?: Attributes;
}

interface Current {
  context: SpanContext;
  /** Absent if the span belongs to another process. */
  span?: Span;
  /** Work that outlives its span, such as a timer, does not belong to it any more. */
  hasEnded: boolean;
}

const storage = new AsyncLocalStorage<Current>();
let starter: SpanStarter | undefined;

/** Called once per process; undefined turns tracing off. */
export function setSpanStarter(given: SpanStarter | undefined): void {
  starter = given;
}

/** Runs work in a span. Calls it directly while tracing is off, or if nothing caused the span. */
export function inSpan<T>(name: string, details: SpanDetails, work: () => Promise<T>): Promise<T> {
  if (!starter) return work();
  const parent = details.parent ? contextOf(details.parent) : current()?.context;
  if (!parent && !details.isRoot) return work();
  const span = starter.start(name, {
    ...{ parent, kind: details.kind ?? 'internal', attributes: details.attributes ?? {} },
    links: (details.links ?? []).flatMap((link) => contextOf(link) ?? []),
  });
  return runIn(span, work);
}

async function runIn<T>(span: Span, work: () => Promise<T>): Promise<T> {
  const own: Current = { span, context: span.spanContext(), hasEnded: false };
  try {
    return await storage.run(own, work);
  } catch (error) {
    span.setAttribute('error.type', error instanceof Error ? error.name : 'unknown');
    span.setStatus({ code: STATUS_ERROR });
    throw error;
  } finally {
    own.hasEnded = true;
    span.end();
  }
}

/** `SpanStatusCode.ERROR`. */
const STATUS_ERROR = 2;

/** Runs synchronous work as caused by a span of another process. */
export function causedBy(traceparent: string | undefined, work: () => void): void {
  const context = starter && traceparent ? contextOf(traceparent) : undefined;
  if (!context) {
    work();
    return;
  }
  const remote: Current = { context, hasEnded: false };
  storage.run(remote, work);
  remote.hasEnded = true;
}

/** Describes the current span better, once more is known. */
export function describeSpan({ name, ...attributes }: Attributes & { name?: string }): void {
  const span = starter && current()?.span;
  if (!span) return;
  if (name) span.updateName(name);
  span.setAttributes(attributes);
}

/** The current span as a `traceparent` header; undefined outside of one. */
export function currentTrace(): string | undefined {
  const found = starter && current()?.context;
  if (!found) return undefined;
  return `00-${found.traceId}-${found.spanId}-${found.traceFlags.toString(16).padStart(2, '0')}`;
}

export const currentTraceId = (): string | undefined => starter && current()?.context.traceId;

/** Whether there is a current span. */
export const isTraced = (): boolean => starter !== undefined && current() !== undefined;

function current(): Current | undefined {
  const found = storage.getStore();
  return found?.hasEnded ? undefined : found;
}

const TRACEPARENT = /^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$/;

/** Reads a `traceparent` header of W3C Trace Context. Invalid ones are ignored. */
function contextOf(traceparent: string): SpanContext | undefined {
  const [, traceId, spanId, flags] = TRACEPARENT.exec(traceparent) ?? [];
  if (!traceId || !spanId || !flags || /^0+$/.test(traceId) || /^0+$/.test(spanId)) return undefined;
  return { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
}
