import { AsyncLocalStorage } from 'node:async_hooks';
import type { Deadline } from './concurrency/deadline.ts';

/** What is known of a request before anybody has looked at who is asking. */
export interface RequestScope {
  /** UUID; in every error, in the `x-request-id` header and in the log. */
  requestId: string;
  /** Taken from the connection, never from the input; IPv4-mapped addresses are plain IPv4. */
  ip: string;
  userAgent: string | null;
  /** When it must have been answered; absent for what lasts, as a websocket does. */
  deadline?: Deadline;
  /** Whether refusals may name parts of the schema that the request itself has not named; absent: they may. */
  hidesSchema?: boolean;
  /** How the client has reached us, as `https://tessera.example`, by its own word; absent outside HTTP. */
  origin?: string | undefined;
}

const storage = new AsyncLocalStorage<RequestScope>();

/** Runs `work` so that everything it calls, however late, finds this scope. */
export function inRequestScope<T>(scope: RequestScope, work: () => T): T {
  return storage.run(scope, work);
}

/** Runs `work` for nobody in particular: it goes on for others when the request that began it has ended. */
export function outsideRequestScope<T>(work: () => T): T {
  return storage.exit(work);
}

/** The request that is being answered, or undefined outside of one (a job, a sweep). */
export function requestScope(): RequestScope | undefined {
  return storage.getStore();
}

/** The client's address in the current request, or null outside of one (a job, a sweep). */
export function clientIp(): string | null {
  return requestScope()?.ip ?? null;
}
