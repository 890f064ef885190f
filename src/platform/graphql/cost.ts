import {
  type FieldNode,
  type FragmentDefinitionNode,
  type GraphQLCompositeType,
  GraphQLError,
  type GraphQLField,
  type GraphQLNamedType,
  type GraphQLSchema,
  getNamedType,
  getNullableType,
  isCompositeType,
  isListType,
  isObjectType,
  Kind,
  type SelectionNode,
  type SelectionSetNode,
  type ValueNode,
} from 'graphql';
import { PAGE_SIZE } from '../pagination/page.ts';
import { coerceVariables } from './coerce-variables.ts';
import { LIMITS, tooComplex } from './limits.ts';
import { plainListLength } from './plain-lists.ts';
import type { PreparedOperation } from './prepared-document.ts';

/** Upper bound of the work that an operation can cause. */
export interface Cost {
  /** Objects in the largest possible response. */
  objects: number;
  /** SQL statements, if none are shared; one that counts a long list counts several times. */
  statements: number;
}

/** Strings and numbers are far cheaper than objects. */
const SCALARS_PER_OBJECT = 100;
/** A list that a root field returns can be as long as its table. */
const STATEMENTS_OF_LONG_COUNT = 5;

type Variables = Readonly<Record<string, unknown>>;
type Evaluate = (variables: Variables) => Cost;

const NOTHING: Cost = { objects: 0, statements: 0 };

/** By operation: the document is visited once, and requests only evaluate its page sizes. */
const estimates = new WeakMap<PreparedOperation, Evaluate>();

/**
 * Estimates the cost of an operation.
 *
 * @returns an error if it exceeds a limit, or if invalid variables make it impossible
 */
export function checkCost(
  schema: GraphQLSchema,
  operation: PreparedOperation,
  given: Record<string, unknown>,
): Cost | GraphQLError {
  const { node } = operation;
  const definitions = node.variableDefinitions ?? [];
  const variables = coerceVariables(schema, definitions, given);
  if (variables instanceof GraphQLError) return variables;
  const cost = estimateOf(schema, operation)(variables);
  if (cost.objects > LIMITS.cost) {
    return tooComplex(
      `The operation could return ${Math.ceil(cost.objects)} objects; the limit is ${LIMITS.cost}. Request smaller pages.`,
    );
  }
  if (cost.statements <= LIMITS.statements) return cost;
  return tooComplex(
    `The operation could run ${cost.statements} SQL statements; the limit is ${LIMITS.statements}. Request fewer lists within lists.`,
  );
}

function estimateOf(schema: GraphQLSchema, operation: PreparedOperation): Evaluate {
  const known = estimates.get(operation);
  if (known) return known;
  const { node, prepared } = operation;
  const fragments = new Map(
    prepared.document.definitions.flatMap((definition) =>
      definition.kind === Kind.FRAGMENT_DEFINITION ? [[definition.name.value, definition] as const] : [],
    ),
  );
  const root = schema.getRootType(node.operation);
  const estimator: Estimator = {
    schema,
    fragment: (name) => fragments.get(name),
    isRoot: (type) => type === root,
  };
  const estimate = root ? sum(estimatesOf(estimator, root, node.selectionSet)) : () => NOTHING;
  estimates.set(operation, estimate);
  return estimate;
}

interface Estimator {
  schema: GraphQLSchema;
  fragment: (name: string) => FragmentDefinitionNode | undefined;
  isRoot: (type: GraphQLCompositeType) => boolean;
}

/** Estimates of the selections, by field name. */
function estimatesOf(
  estimator: Estimator,
  type: GraphQLCompositeType,
  selectionSet: SelectionSetNode | undefined,
): [field: string, Evaluate][] {
  return (selectionSet?.selections ?? []).flatMap((selection) => {
    const condition = conditionOf(selection);
    return selectedBy(estimator, type, selection).map(([field, estimate]): [string, Evaluate] => [
      field,
      condition ? (variables) => (condition(variables) ? estimate(variables) : NOTHING) : estimate,
    ]);
  });
}

function selectedBy(
  estimator: Estimator,
  type: GraphQLCompositeType,
  selection: SelectionNode,
): [string, Evaluate][] {
  if (selection.kind === Kind.FIELD) {
    const field = isObjectType(type) ? type.getFields()[selection.name.value] : undefined;
    return field ? [[field.name, fieldEstimate(estimator, { type, field, node: selection })]] : [];
  }
  const fragment =
    selection.kind === Kind.INLINE_FRAGMENT ? selection : estimator.fragment(selection.name.value);
  const condition = fragment?.typeCondition?.name.value;
  const narrowed = condition === undefined ? type : estimator.schema.getType(condition);
  return isCompositeType(narrowed) ? estimatesOf(estimator, narrowed, fragment?.selectionSet) : [];
}

interface SelectedField {
  /** The type that has the field. */
  type: GraphQLCompositeType;
  field: GraphQLField<unknown, unknown>;
  node: FieldNode;
}

/**
 * An object costs 1, a list its length times the cost of an entry, a scalar nothing. A page size
 * counts once, at the connection, and not again at its `edges` and `nodes`. Root fields and
 * connections each run a statement.
 */
function fieldEstimate(estimator: Estimator, selected: SelectedField): Evaluate {
  const { type, field, node } = selected;
  const of = getNamedType(field.type);
  const children = isCompositeType(of) ? estimatesOf(estimator, of, node.selectionSet) : [];
  if (isConnection(of)) return connectionEstimate(estimator, selected, children);
  const statements = estimator.isRoot(type) ? 1 : 0;
  const entries = plainEntries(type, field);
  if (!isCompositeType(of)) {
    const scalars = of.name === 'JSON' ? 1 : 1 / SCALARS_PER_OBJECT;
    const cost = { objects: (entries ?? 0) * scalars, statements };
    return () => cost;
  }
  return objectEstimate({ entries: entries ?? 1, statements }, sum(children));
}

/** Entries of a list without pages; undefined for any other field. */
function plainEntries(type: GraphQLCompositeType, field: GraphQLField<unknown, unknown>): number | undefined {
  if (!isListType(getNullableType(field.type)) || isConnection(type)) return undefined;
  return plainListLength(`${type.name}.${field.name}`);
}

function objectEstimate(
  { entries, statements }: { entries: number; statements: number },
  below: Evaluate,
): Evaluate {
  return (variables) => {
    const each = below(variables);
    return { objects: entries * (1 + each.objects), statements: statements + entries * each.statements };
  };
}

function connectionEstimate(
  estimator: Estimator,
  { type, node }: SelectedField,
  children: readonly [string, Evaluate][],
): Evaluate {
  const sizeOf = pageSize(node);
  const isEntry = ([name]: readonly [string, Evaluate]) => name === 'nodes' || name === 'edges';
  const entries = sum(children.filter(isEntry));
  const others = sum(children.filter((child) => !isEntry(child)));
  const counts = children.filter(([name]) => name === 'totalCount').length;
  const statements = 1 + counts * (estimator.isRoot(type) ? STATEMENTS_OF_LONG_COUNT : 1);
  return (variables) => {
    const size = sizeOf(variables);
    const [each, once] = [entries(variables), others(variables)];
    return {
      objects: 1 + size * (each.objects + once.objects),
      statements: statements + size * each.statements + once.statements,
    };
  };
}

const isConnection = ({ name }: GraphQLNamedType) => name.endsWith('Connection');

/** Clamps invalid sizes: the list refuses them later, with an error that names the argument. */
function pageSize({ arguments: given = [] }: FieldNode): (variables: Variables) => number {
  const [first, last] = ['first', 'last'].map((name) => {
    const argument = given.find((each) => each.name.value === name);
    return argument ? numberOf(argument.value) : () => undefined;
  });
  return (variables) => {
    const requested = first?.(variables) ?? last?.(variables);
    if (typeof requested !== 'number') return PAGE_SIZE.default;
    return Math.min(Math.max(requested, PAGE_SIZE.smallest), PAGE_SIZE.largest);
  };
}

function numberOf(value: ValueNode): (variables: Variables) => unknown {
  if (value.kind === Kind.VARIABLE) return (variables) => variables[value.name.value];
  const number = value.kind === Kind.INT ? Number(value.value) : undefined;
  return () => number;
}

/** Whether `@skip` and `@include` select the node; undefined if it has neither. */
function conditionOf({ directives = [] }: SelectionNode): ((variables: Variables) => boolean) | undefined {
  const conditions = directives.flatMap(({ name, arguments: given = [] }) => {
    const value = given.find((argument) => argument.name.value === 'if')?.value;
    if (!value || (name.value !== 'skip' && name.value !== 'include')) return [];
    return [{ holds: booleanOf(value), wanted: name.value === 'include' }];
  });
  if (conditions.length === 0) return undefined;
  return (variables) => conditions.every(({ holds, wanted }) => holds(variables) === wanted);
}

function booleanOf(value: ValueNode): (variables: Variables) => unknown {
  if (value.kind === Kind.VARIABLE) return (variables) => variables[value.name.value];
  const literal = value.kind === Kind.BOOLEAN && value.value;
  return () => literal;
}

function sum(parts: readonly (readonly [string, Evaluate])[]): Evaluate {
  if (parts.length === 0) return () => NOTHING;
  return (variables) => {
    const total = { objects: 0, statements: 0 };
    for (const [, estimate] of parts) {
      const { objects, statements } = estimate(variables);
      total.objects += objects;
      total.statements += statements;
    }
    return total;
  };
}
