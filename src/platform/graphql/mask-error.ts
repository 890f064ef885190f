import { GraphQLError, type GraphQLFormattedError, type GraphQLSchema } from 'graphql';
import { isOutage } from '../database/database.ts';
import { DomainError, type ErrorDetails, PlatformError } from '../errors.ts';
import type { Logger } from '../logger.ts';
import { isRedisUnavailable } from '../redis/redis.ts';
import { requestScope } from '../request-scope.ts';
import { invalidVariables } from './coerce-variables.ts';
import { namesInDocument } from './names-in-document.ts';
import { createOutageLog } from './outage-log.ts';

/** The `extensions` of every error in a response. They have no other keys. */
export interface ErrorExtensions extends ErrorDetails {
  code: string;
  requestId: string;
  retryable: boolean;
}

/** Extension with the error code of a custom validation rule: Apollo overwrites `code`. */
export const RULE_CODE = 'reason';

/**
 * Converts any thrown value to an error that is safe to send to a client. Refusals pass through,
 * and errors in the request keep their location. Outages become SERVICE_UNAVAILABLE and bugs
 * INTERNAL_SERVER_ERROR; both are logged with the request id.
 *
 * @param schema the schema whose types are named only to callers who name them, if it is hidden
 */
export function maskError(
  error: unknown,
  log: Logger,
  schema?: GraphQLSchema,
): GraphQLFormattedError & { extensions: ErrorExtensions } {
  const located = findLocated(error);
  const refusal = toRefusal(located, log, schema);
  const { locations, path } = located instanceof GraphQLError ? located.toJSON() : {};
  return {
    message: refusal.message,
    ...(locations && { locations }),
    ...(path && { path }),
    extensions: {
      code: refusal.code,
      requestId: requestScope()?.requestId ?? '',
      retryable: refusal.retryable,
      ...withFields(refusal),
    },
  };
}

/** The invalid fields are listed even if there is one, so that clients read them in one place. */
function withFields({ details, message }: DomainError): ErrorDetails {
  const { field } = details;
  return field === undefined ? details : { fields: [{ path: field, message }], ...details };
}

function toRefusal(error: unknown, log: Logger, schema: GraphQLSchema | undefined): DomainError {
  const cause = rootCause(error);
  if (cause instanceof DomainError) return cause;
  if (error instanceof GraphQLError && isClientError(error, cause)) return clientError(error, schema);
  if (isOutage(cause) || isRedisUnavailable(cause)) {
    logOutage(cause, log);
    return new PlatformError('SERVICE_UNAVAILABLE');
  }
  log.error({ err: cause }, 'request failed: unexpected error');
  return new PlatformError('INTERNAL_SERVER_ERROR');
}

const logOutage = createOutageLog();

/**
 * Transports wrap execution errors in an error without a `path`; use the outermost layer that has
 * one.
 */
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
 * Whether graphql-js rejected the request. An error with a path comes from execution, where only an
 * invalid argument is the client's error: a value that a field cannot serialize is a bug.
 */
function isClientError(error: GraphQLError, cause: unknown): boolean {
  if (!(cause instanceof GraphQLError)) return false;
  return error.path === undefined || cause.message.startsWith('Argument "');
}

function clientError(error: GraphQLError, schema: GraphQLSchema | undefined): DomainError {
  const isHidden = requestScope()?.hidesSchema === true;
  const worded = (message: string, source: GraphQLError) => {
    const sentence = message
      .replace(SUGGESTION, '')
      // The original wording contains "select", which tools that look for leaked SQL would report.
      .replace('must select only one top level field', 'must have only one root field');
    return isHidden ? withoutNames(sentence, source, schema) : sentence;
  };
  const fields = invalidVariables(error).map(({ path, message, ...invalid }) => ({
    path: isHidden && REQUIRED.test(message) ? path.slice(0, path.lastIndexOf('.')) : path,
    message: worded(message, invalid.error),
  }));
  return new PlatformError(clientErrorCode(error), {
    message: worded(error.message, error),
    ...(fields[0] && { field: fields[0].path, fields }),
  });
}

/** Bounded, because a message may repeat a long string of the document. */
const SUGGESTION = / ?Did you mean [^?]{0,300}\?/g;

/** Names an argument or input field that the document lacks. */
const MISSING =
  /(?<=argument )"\w+"(?= of type "[^"]*" is required)|(?<=Field )"[\w.]+"(?= of required type)/g;

/**
 * Keeps only names that occur in the document, so that error messages do not reveal the schema. A
 * type must occur as a type: a document could have a guess in every other place.
 */
function withoutNames(sentence: string, { source }: GraphQLError, schema: GraphQLSchema | undefined): string {
  const isInDocument = (word: string) => {
    if (!source || !/^[A-Za-z_]/.test(word)) return source !== undefined;
    const { types, others } = namesInDocument(source);
    return (schema?.getType(word) ? types : others).has(word);
  };
  return sentence
    .replace(MISSING, HIDDEN)
    .replace(/"([^"]*)"/g, (quoted, names: string) =>
      (names.match(/\w+/g) ?? []).every(isInDocument) ? quoted : HIDDEN,
    );
}

/** Names an input field that the request lacks. */
const REQUIRED = /^Field "\w+" of required type/;

const HIDDEN = '"…"';

/** Maps Apollo's BAD_REQUEST (no query, wrong JSON types) to BAD_USER_INPUT. */
function clientErrorCode({ message, extensions }: GraphQLError): keyof typeof PlatformError.table {
  if (/^Syntax Error: Document contains more tha\w /.test(message)) return 'OPERATION_TOO_COMPLEX';
  const code = extensions[RULE_CODE] ?? extensions.code;
  return isPlatformCode(code) ? code : 'BAD_USER_INPUT';
}

function isPlatformCode(code: unknown): code is keyof typeof PlatformError.table {
  return typeof code === 'string' && Object.hasOwn(PlatformError.table, code);
}
