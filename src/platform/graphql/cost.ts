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
import { plainListLength } from './plain-lists.ts';

const ONE_ERROR = { maxErrors: 1 };

type ComplexityOptions = Parameters<typeof getComplexity>[0];

/** Strings and numbers are far cheaper than objects. */
const SCALARS_PER_OBJECT = 100;

/**
 * An object costs 1, a list its length times the cost of an entry, a scalar nothing. A page size
 * counts once, at the connection, and not again at its `edges` and `nodes`.
 */
const objectCost: ComplexityEstimator = ({ field, args, childComplexity, type: parent }) => {
  const type = getNamedType(field.type);
  if (isConnection(type)) return 1 + pageSize(args.first ?? args.last) * childComplexity;
  const isPlainList = isListType(getNullableType(field.type)) && !isConnection(parent);
  const entries = isPlainList ? plainListLength(`${parent.name}.${field.name}`) : 1;
  if (isCompositeType(type)) return entries * (1 + childComplexity);
  if (!isPlainList) return 0;
  return type.name === 'JSON' ? entries : entries / SCALARS_PER_OBJECT;
};

const isConnection = ({ name }: GraphQLNamedType) => name.endsWith('Connection');

/** Clamps invalid sizes: the list refuses them later, with an error that names the argument. */
function pageSize(requested: unknown): number {
  if (typeof requested !== 'number') return PAGE_SIZE.default;
  return Math.min(Math.max(requested, PAGE_SIZE.smallest), PAGE_SIZE.largest);
}

/**
 * Estimates how many objects an operation could return.
 *
 * @returns an error if the estimate exceeds `LIMITS.cost`, or if invalid variables or arguments
 *   make it impossible; else undefined
 */
export function checkCost(
  schema: GraphQLSchema,
  document: DocumentNode,
  { operationName, variables }: OperationRequest,
): GraphQLError | undefined {
  const operation = getOperationAST(document, operationName);
  if (!operation || operation.selectionSet.selections.every(isIntrospection)) return undefined;
  // Stops at the first invalid variable, whereas getComplexity would collect an error for each.
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
    `The operation could return ${Math.ceil(cost)} objects; the limit is ${LIMITS.cost}. Request smaller pages.`,
  );
}

/** Returns the error that getComplexity throws for invalid arguments: it is a client error. */
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
