import { AsyncLocalStorage } from 'node:async_hooks';
import type { Deadline } from './concurrency/deadline.ts';
import type { Semaphore, Slot } from './concurrency/semaphore.ts';

/** Properties of a request that are known before it is authenticated. */
export interface RequestScope {
  /** UUID; part of every error, log line and `x-request-id` header of this request. */
  requestId: string;
  /**
   * Client address of the connection, never from the input. IPv4-mapped addresses are plain IPv4.
   * Empty in a job.
   */
  ip: string;
  userAgent: string | null;
  /** Time limit for the response; absent for long-lived work such as a websocket or a job. */
  deadline?: Deadline;
  /** Limits the database work of the request that runs at the same time. Absent: no limit. */
  statements?: Semaphore;
  /** The slot of the request limit that the request occupies. */
  slot?: Slot;
  /** The operation of an HTTP request and how it ends, for its metrics. Filled while it runs. */
  outcome?: Outcome;
  /** Whether an outage that the request met has been logged. */
  isOutageLogged?: boolean;
  /** True if errors must not name parts of the schema that the request itself hasn't named. */
  hidesSchema?: boolean;
  /** Origin that the client used, as it claims: `https://tessera.example`. Absent outside HTTP. */
  origin?: string | undefined;
  /** Further fields of every log line. */
  logFields?: Readonly<Record<string, unknown>>;
}

export interface Outcome {
  /** As `operationLabel`; absent if the operation is invalid. */
  operation?: string;
  /** The first error code that is sent to the client. */
  errorCode?: string;
}

const storage = new AsyncLocalStorage<RequestScope>();

/** Runs `work`; everything it calls, directly or later, finds this scope. */
export function inRequestScope<T>(scope: RequestScope, work: () => T): T {
  return storage.run(scope, work);
}

/**
 * Runs `work` without a scope: for work that is shared by several requests and outlives the first
 * of them.
 */
export function outsideRequestScope<T>(work: () => T): T {
  return storage.exit(work);
}

/** The scope of the current request or job; undefined outside of both. */
export function requestScope(): RequestScope | undefined {
  return storage.getStore();
}

/** The client's address in the current request, or null outside of one (a job, a sweep). */
export function clientIp(): string | null {
  return requestScope()?.ip ?? null;
}
