import {
  createSourceEventStream,
  type ExecutionArgs,
  type ExecutionResult,
  execute,
  GraphQLError,
} from 'graphql';
import { withinDeadline } from '../concurrency/deadline.ts';
import { PlatformError } from '../errors.ts';
import { inRequestScope, type RequestScope } from '../request-scope.ts';
import { distinct } from '../watch/stream.ts';
import { LIMITS } from './limits.ts';

type Results = AsyncGenerator<ExecutionResult, void, void>;

/**
 * Runs a subscription. A message goes out only when it differs from the one before.
 *
 * What refuses it at the start is thrown by the first `next`, so that the client gets an `error` message;
 * so is a message in which the root field itself failed.
 */
export async function subscribeDistinct(args: ExecutionArgs, scope: RequestScope): Promise<Results> {
  const source = await inRequestScope(scope, () => createSourceEventStream(args));
  if (!(Symbol.asyncIterator in source)) return failing(source.errors ?? []);
  return scoped(distinct(messagesOf(source, args, scope)), scope);
}

/** Each event becomes a message in the time that an operation has over HTTP. */
function messagesOf(
  source: AsyncIterable<unknown>,
  args: ExecutionArgs,
  scope: RequestScope,
): AsyncIterable<ExecutionResult> {
  const events = source[Symbol.asyncIterator]();
  const messageOf = (event: unknown) =>
    withinDeadline<ExecutionResult>(
      LIMITS.operationMs,
      (deadline) =>
        inRequestScope({ ...scope, deadline }, async () => execute({ ...args, rootValue: event })),
      tooLate,
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

function tooLate(): ExecutionResult {
  const originalError = new PlatformError('SERVICE_UNAVAILABLE');
  return { data: null, errors: [new GraphQLError(originalError.message, { originalError })] };
}

/**
 * Each step runs in the scope of the request that subscribed, so that logs and errors carry its id.
 *
 * Not an async generator: one that waits in `next` would not hear `return`.
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

/** Every root field is non-null, so data that is null means that the field itself was refused. */
async function nextOf(results: Results): Promise<IteratorResult<ExecutionResult, void>> {
  const step = await results.next();
  if (step.done || step.value.data != null || !step.value.errors?.[0]) return step;
  await results.return();
  throw step.value.errors[0];
}

/** Ends with the refusal at its first step. */
function failing([first]: readonly GraphQLError[]): Results {
  const refused = async () => {
    throw first ?? new Error('a subscription was refused without a reason');
  };
  return {
    next: refused,
    throw: refused,
    return: async () => ({ done: true, value: undefined }),
    [Symbol.asyncIterator]() {
      return this;
    },
  };
}
