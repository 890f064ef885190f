import { createSourceEventStream, type ExecutionResult, GraphQLError } from 'graphql';
import { withinDeadline } from '../concurrency/deadline.ts';
import { PlatformError } from '../errors.ts';
import { inRequestScope, type RequestScope } from '../request-scope.ts';
import { distinct } from '../watch/stream.ts';
import { LIMITS } from './limits.ts';
import type { PreparedSubscription } from './operation.ts';

type Results = AsyncGenerator<ExecutionResult, void, void>;

/**
 * Executes a subscription. Consecutive identical messages are sent once.
 *
 * `next` throws the error that refuses the subscription, or that the root field fails with, so that
 * graphql-ws sends an `error` message and ends the subscription.
 */
export async function subscribeDistinct(args: PreparedSubscription, scope: RequestScope): Promise<Results> {
  const source = await inRequestScope(scope, () => createSourceEventStream(args));
  if (!(Symbol.asyncIterator in source)) return rejecting(source.errors ?? []);
  return scoped(distinct(messagesOf(source, args, scope)), scope);
}

/** Maps events to messages. Each has the time limit of an operation over HTTP. */
function messagesOf(
  source: AsyncIterable<unknown>,
  { messageFor }: PreparedSubscription,
  scope: RequestScope,
): AsyncIterable<ExecutionResult> {
  const events = source[Symbol.asyncIterator]();
  const messageOf = (event: unknown) =>
    withinDeadline<ExecutionResult>(
      LIMITS.operationMs,
      (deadline) => inRequestScope({ ...scope, deadline }, () => messageFor(event)),
      timedOut,
    );
  return {
    [Symbol.asyncIterator]: () => ({
      next: async () => {
        const { done, value } = await events.next();
        return done ? { done, value: undefined } : { done: false, value: await messageOf(value) };
      },
      return: async () => {
        await events.return?.();
        return { done: true, value: undefined };
      },
    }),
  };
}

function timedOut(): ExecutionResult {
  const originalError = new PlatformError('SERVICE_UNAVAILABLE');
  return { data: null, errors: [new GraphQLError(originalError.message, { originalError })] };
}

/**
 * Runs each step in the scope of the request that subscribed, so that logs and errors carry its id.
 *
 * Not an async generator, because its `return` would wait for a pending `next`.
 */
function scoped(results: Results, scope: RequestScope): Results {
  const self: Results = {
    next: () => inRequestScope(scope, () => nextOf(results)),
    return: (value) => inRequestScope(scope, () => results.return(value)),
    throw: (error) => inRequestScope(scope, () => results.throw(error)),
    [Symbol.asyncIterator]: () => self,
  };
  return self;
}

/**
 * Subscription root fields are non-null, so `data: null` means that the root field itself failed.
 */
async function nextOf(results: Results): Promise<IteratorResult<ExecutionResult, void>> {
  const step = await results.next();
  if (step.done || step.value.data != null || !step.value.errors?.[0]) return step;
  await results.return();
  throw step.value.errors[0];
}

/** Rejects with the first error, on the first step. */
function rejecting([first]: readonly GraphQLError[]): Results {
  const reject = async () => {
    throw first ?? new Error('subscription rejected without an error');
  };
  return {
    next: reject,
    throw: reject,
    return: async () => ({ done: true, value: undefined }),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
