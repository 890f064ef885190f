import { GraphQLError, type GraphQLFormattedError } from 'graphql';
import { isOutage } from '../database/database.ts';
import { DomainError, type ErrorDetails, PlatformError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { isRedisUnavailable } from '../redis/redis.ts';
import { requestScope } from '../request-scope.ts';

/** What a client gets for an error; `extensions` has these keys and no others. */
export interface ErrorExtensions extends ErrorDetails {
  code: string;
  requestId: string;
  retryable: boolean;
}

/** Validation rules of ours name their own code here: Apollo overwrites `code`. */
export const REASON = 'reason';

/**
 * Makes of anything that was thrown what a client may see. A refusal is shown as it is; a fault in the
 * request says where it is; an outage becomes SERVICE_UNAVAILABLE and a bug INTERNAL_SERVER_ERROR, both
 * logged under the request id.
 */
export function maskError(
  error: unknown,
  log: Logger,
): GraphQLFormattedError & { extensions: ErrorExtensions } {
  const located = findLocated(error);
  const refusal = toRefusal(located, log);
  const { locations, path } = located instanceof GraphQLError ? located.toJSON() : {};
  return {
    message: refusal.message,
    ...(locations && { locations }),
    ...(path && { path }),
    extensions: {
      code: refusal.code,
      requestId: requestScope()?.requestId ?? '',
      retryable: refusal.retryable,
      ...refusal.details,
    },
  };
}

function toRefusal(error: unknown, log: Logger): DomainError {
  const cause = rootCause(error);
  if (cause instanceof DomainError) return cause;
  if (error instanceof GraphQLError && isRequestFault(error, cause)) return requestFault(error);
  if (isOutage(cause) || isRedisUnavailable(cause)) {
    log.warn({ err: cause }, 'a dependency is away');
    return new PlatformError('SERVICE_UNAVAILABLE');
  }
  log.error({ err: cause }, 'a request failed');
  return new PlatformError('INTERNAL_SERVER_ERROR');
}

/** Transports wrap errors of execution, and what they wrap them in has no path: the layer that has one counts. */
function findLocated(error: unknown): unknown {
  let layer = error;
  while (layer instanceof GraphQLError) {
    if (layer.path) return layer;
    layer = layer.originalError;
  }
  return error;
}

function rootCause(error: unknown): unknown {
  let cause = error;
  while (cause instanceof GraphQLError && cause.originalError) cause = cause.originalError;
  return cause;
}

/**
 * Whether GraphQL itself refused the request. An error with a path comes from execution: there only a
 * missing or wrong argument is the client's, and a value that a field cannot represent is a bug.
 */
function isRequestFault(error: GraphQLError, cause: unknown): boolean {
  if (!(cause instanceof GraphQLError)) return false;
  return error.path === undefined || cause.message.startsWith('Argument "');
}

function requestFault(error: GraphQLError): DomainError {
  const sentence = error.message
    .replace(/ ?Did you mean [^?]*\?/g, '')
    // GraphQL's own words, which look like SQL to whoever watches for it.
    .replace('must select only one top level field', 'must have only one root field');
  const isHidden = requestScope()?.hidesSchema === true;
  return new PlatformError(requestFaultCode(error), {
    message: isHidden ? withoutNames(sentence, error) : sentence,
  });
}

/** Only the names that stand in the document are repeated: whoever may not read the schema cannot guess it either. */
function withoutNames(sentence: string, { source }: GraphQLError): string {
  const isSent = (word: string) => source?.body.includes(word) ?? false;
  return sentence.replace(/"([^"]*)"/g, (quoted, names: string) =>
    (names.match(/\w+/g) ?? []).every(isSent) ? quoted : '"…"',
  );
}

/** HTTP-level faults of Apollo (no query, wrong JSON types) carry BAD_REQUEST: they are bad input. */
function requestFaultCode({ message, extensions }: GraphQLError): keyof typeof PlatformError.table {
  if (/^Syntax Error: Document contains more tha\w /.test(message)) return 'OPERATION_TOO_COMPLEX';
  const code = extensions[REASON] ?? extensions.code;
  return isPlatformCode(code) ? code : 'BAD_USER_INPUT';
}

function isPlatformCode(code: unknown): code is keyof typeof PlatformError.table {
  return typeof code === 'string' && Object.hasOwn(PlatformError.table, code);
}
