import { createSemaphore } from '../platform/concurrency/semaphore.ts';
import { PlatformError } from '../platform/errors.ts';
import { LIMITS } from '../platform/graphql/limits.ts';

/** Applies after the body has been received, so slow uploads do not occupy the semaphore. */
export const createRequestLimit = () =>
  createSemaphore(LIMITS.requests, {
    shedAfterMs: LIMITS.requestQueueTargetMs,
    maxWaitMs: LIMITS.requestMaxWaitMs,
    overloaded: () => new PlatformError('SERVICE_UNAVAILABLE', OVERLOADED),
  });

const OVERLOADED = { message: 'The service is overloaded. Try again shortly.', retryAfterSeconds: 1 };
