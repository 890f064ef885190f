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
import { checkRequest } from './validate-request.ts';

/** How a document is parsed, by Apollo and by us. */
export const PARSE_OPTIONS = { maxTokens: LIMITS.tokens } as const;

const refused = (message: string, code: string) => [new GraphQLError(message, { extensions: { code } })];

/**
 * Checks a subscription as Apollo checks a query: the same parse options, the same rules, the same cost.
 *
 * @returns what graphql-js needs to run it, or why it is refused
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
      'Websockets carry subscriptions only: send queries and mutations over HTTP.',
      'BAD_USER_INPUT',
    );
  }
  const refusal = checkRequest(schema, document, request);
  if (refusal) return [refusal];
  return {
    schema,
    document,
    operationName: request.operationName ?? null,
    variableValues: request.variables ?? null,
    contextValue,
  };
}

/** Apps send the same few documents again and again; what is valid stays so, as the schema never changes. */
const KEPT_DOCUMENTS = 500;
const validDocuments = new WeakMap<GraphQLSchema, Map<string, DocumentNode>>();

function validDocument(schema: GraphQLSchema, source: string): DocumentNode | readonly GraphQLError[] {
  const kept = validDocuments.get(schema) ?? new Map<string, DocumentNode>();
  validDocuments.set(schema, kept);
  const known = kept.get(source);
  if (known) return known;
  const document = parseDocument(source);
  if (document instanceof GraphQLError) return [document];
  const invalid = validate(schema, document, [...specifiedRules, ...validationRules], { maxErrors: 20 });
  if (invalid.length > 0) return invalid.map(asValidationError);
  // Beginning anew is cheaper than knowing which one was used last.
  if (kept.size >= KEPT_DOCUMENTS) kept.clear();
  kept.set(source, document);
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
