import {
  type ExecutionArgs,
  type ExecutionResult,
  GraphQLError,
  locatedError,
  OperationTypeNode,
} from 'graphql';
import type { Cost } from './cost.ts';
import type { DocumentStore } from './document-store.ts';
import { operationLabel } from './operation-label.ts';
import type { OperationRequest } from './operation-request.ts';
import { PreparedDocument } from './prepared-document.ts';
import { declaredVariables, validateRequest } from './validate-request.ts';

/** Upper bound of the bytes that one character of JSON takes when parsed: `[[],[],…]`. */
const BYTES_OF_JSON = 16;

/** Arguments for graphql-js, retained as long as the subscription. */
export interface PreparedSubscription extends ExecutionArgs {
  /** Upper bound of the memory that document and variables retain. */
  bytes: number;
  /** As `operationLabel`. */
  label: string;
  /** Works out the message for an event. */
  messageFor: (event: unknown) => ExecutionResult | Promise<ExecutionResult>;
}

const refused = (message: string, code: string) => [new GraphQLError(message, { extensions: { code } })];

/**
 * Validates a subscription with the document store, checks and cost limit that apply over HTTP.
 *
 * @param charge called with the cost of a valid subscription; throws to refuse it
 * @returns the arguments for graphql-js, or the errors that refuse the subscription
 */
export function prepareSubscription(
  documents: DocumentStore,
  request: OperationRequest,
  { context, charge }: { context: unknown; charge: (cost: Cost) => void },
): PreparedSubscription | readonly GraphQLError[] {
  const { schema } = documents;
  const prepared = documents.prepare(request.query ?? '');
  if (!(prepared instanceof PreparedDocument)) return prepared;
  const preparedOperation = prepared.operation(request.operationName);
  const operation = preparedOperation?.node;
  if (!operation)
    return refused('The document has no operation of that name.', 'OPERATION_RESOLUTION_FAILURE');
  if (operation.operation !== OperationTypeNode.SUBSCRIPTION) {
    return refused(
      'Only subscriptions are available over a websocket: send queries and mutations over HTTP.',
      'BAD_USER_INPUT',
    );
  }
  const cost = validateRequest(schema, preparedOperation, request);
  if (cost instanceof GraphQLError) return [cost];
  try {
    charge(cost);
  } catch (error) {
    return [locatedError(error, operation)];
  }
  const variableValues = declaredVariables(operation, request);
  return {
    schema,
    document: prepared.document,
    operationName: request.operationName ?? null,
    variableValues,
    contextValue: context,
    messageFor: (event) =>
      documents.execute(preparedOperation, {
        context,
        variables: variableValues,
        rootValue: event,
      }),
    label: operationLabel(operation),
    bytes: prepared.bytes + BYTES_OF_JSON * JSON.stringify(variableValues).length,
  };
}
