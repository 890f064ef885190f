import {
  type DocumentNode,
  type ExecutionArgs,
  GraphQLError,
  type GraphQLSchema,
  getOperationAST,
  OperationTypeNode,
  parse,
  specifiedRules,
  validate,
} from 'graphql';
import { LIMITS } from './limits.ts';
import type { OperationRequest } from './operation-request.ts';
import { validationRules } from './rules.ts';
import { validateRequest } from './validate-request.ts';

/** Parse options of both transports. */
export const PARSE_OPTIONS = { maxTokens: LIMITS.tokens } as const;

const refused = (message: string, code: string) => [new GraphQLError(message, { extensions: { code } })];

/**
 * Validates a subscription with the parse options, rules and cost limit that Apollo applies over
 * HTTP.
 *
 * @returns the arguments for graphql-js, or the errors that refuse the subscription
 */
export function prepareSubscription(
  schema: GraphQLSchema,
  request: OperationRequest,
  contextValue: unknown,
): ExecutionArgs | readonly GraphQLError[] {
  const document = validDocument(schema, request.query ?? '');
  if (!('kind' in document)) return document;
  const operation = getOperationAST(document, request.operationName);
  if (!operation)
    return refused('The document has no operation of that name.', 'OPERATION_RESOLUTION_FAILURE');
  if (operation.operation !== OperationTypeNode.SUBSCRIPTION) {
    return refused(
      'Only subscriptions are available over a websocket: send queries and mutations over HTTP.',
      'BAD_USER_INPUT',
    );
  }
  const refusal = validateRequest(schema, document, request);
  if (refusal) return [refusal];
  return {
    schema,
    document,
    operationName: request.operationName ?? null,
    variableValues: request.variables ?? null,
    contextValue,
  };
}

/**
 * Apps send the same few documents over and over, and the schema never changes: valid documents are
 * cached up to this many.
 */
const CACHED_DOCUMENTS = 500;
const validDocuments = new WeakMap<GraphQLSchema, Map<string, DocumentNode>>();

function validDocument(schema: GraphQLSchema, source: string): DocumentNode | readonly GraphQLError[] {
  const cache = validDocuments.get(schema) ?? new Map<string, DocumentNode>();
  validDocuments.set(schema, cache);
  const cached = cache.get(source);
  if (cached) return cached;
  const document = parseDocument(source);
  if (document instanceof GraphQLError) return [document];
  const invalid = validate(schema, document, [...specifiedRules, ...validationRules], { maxErrors: 20 });
  if (invalid.length > 0) return invalid.map(asValidationError);
  // Clearing the whole cache is cheaper than tracking which entry is the least recently used.
  if (cache.size >= CACHED_DOCUMENTS) cache.clear();
  cache.set(source, document);
  return document;
}

function parseDocument(source: string): DocumentNode | GraphQLError {
  try {
    return parse(source, PARSE_OPTIONS);
  } catch (error) {
    if (!(error instanceof GraphQLError)) throw error;
    error.extensions.code = 'GRAPHQL_PARSE_FAILED';
    return error;
  }
}

function asValidationError(error: GraphQLError): GraphQLError {
  error.extensions.code = 'GRAPHQL_VALIDATION_FAILED';
  return error;
}
