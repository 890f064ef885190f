import {
  type DocumentNode,
  GraphQLError,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  getOperationAST,
  getVariableValues,
  isCompositeType,
  isListType,
  Kind,
  type SelectionNode,
} from 'graphql';
import { type ComplexityEstimator, getComplexity } from 'graphql-query-complexity';
import { PAGE_SIZE } from '../pagination/page.ts';
import { LIMITS, tooComplex } from './limits.ts';
import type { OperationRequest } from './operation-request.ts';

const ONE_ERROR = { maxErrors: 1 };

type ComplexityOptions = Parameters<typeof getComplexity>[0];

/** A list that cannot be paged through is expected to have so many entries: subscriptions, their nodes, sessions. */
const PLAIN_LIST = 5;

/**
 * An object costs 1, a list its size times what is asked of each entry; a scalar is free. The size of a page counts
 * once, at the connection, and not again at its `edges` and `nodes`.
 */
const objectCost: ComplexityEstimator = ({ field, args, childComplexity, type: parent }) => {
  const type = getNamedType(field.type);
  if (!isCompositeType(type)) return 0;
  if (isConnection(type)) return 1 + pageSize(args.first ?? args.last) * childComplexity;
  const entries = isListType(getNullableType(field.type)) && !isConnection(parent) ? PLAIN_LIST : 1;
  return entries * (1 + childComplexity);
};

const isConnection = ({ name }: GraphQLNamedType) => name.endsWith('Connection');

/** A size that no page may have counts as the nearest one that it may: the list itself refuses it, by its name. */
function pageSize(asked: unknown): number {
  if (typeof asked !== 'number') return PAGE_SIZE.default;
  return Math.min(Math.max(asked, PAGE_SIZE.smallest), PAGE_SIZE.largest);
}

/**
 * The cost of one operation with its variables.
 *
 * @returns an error when it is over the limit, or cannot be told because variables or arguments do not fit;
 *   else undefined
 */
export function checkCost(
  schema: GraphQLSchema,
  document: DocumentNode,
  { operationName, variables }: OperationRequest,
): GraphQLError | undefined {
  const operation = getOperationAST(document, operationName);
  if (!operation || operation.selectionSet.selections.every(isIntrospection)) return undefined;
  // The estimate would gather every fault of the variables, however many there are.
  const coerced = getVariableValues(schema, operation.variableDefinitions ?? [], variables ?? {}, ONE_ERROR);
  if (coerced.errors) return coerced.errors[0];
  const cost = costOf({
    schema,
    query: document,
    ...(operationName && { operationName }),
    variables: variables ?? {},
    estimators: [objectCost],
  });
  if (cost instanceof GraphQLError) return cost;
  if (cost <= LIMITS.cost) return undefined;
  return tooComplex(
    `The operation could return ${cost} objects; at most ${LIMITS.cost} are allowed. Ask for smaller pages.`,
  );
}

/** What does not fit the schema is thrown by the estimate: the request is at fault then, as it would be in execution. */
function costOf(options: ComplexityOptions): number | GraphQLError {
  try {
    return getComplexity(options);
  } catch (error) {
    if (error instanceof GraphQLError) return error;
    throw error;
  }
}

function isIntrospection(selection: SelectionNode): boolean {
  return selection.kind === Kind.FIELD && selection.name.value.startsWith('__');
}
