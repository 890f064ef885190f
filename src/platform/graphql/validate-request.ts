import type { GraphQLError, GraphQLSchema, OperationDefinitionNode } from 'graphql';
import { type Cost, checkCost } from './cost.ts';
import { replaceInvalidValues } from './invalid-values.ts';
import { LIMITS, tooComplex } from './limits.ts';
import type { OperationRequest } from './operation-request.ts';
import type { PreparedOperation } from './prepared-document.ts';
import { isStorable, unstorable } from './storable.ts';

/**
 * Checks that depend on the variables, and so cannot be validation rules.
 *
 * @returns what the operation costs, or the error that refuses it
 */
export function validateRequest(
  schema: GraphQLSchema,
  operation: PreparedOperation,
  request: OperationRequest,
): Cost | GraphQLError {
  const variables = declaredVariables(operation.node, request);
  return (
    checkVariables(schema, operation, variables) ??
    (operation.prepared.isStorable ? undefined : unstorable('A string in the document')) ??
    checkCost(schema, operation, variables)
  );
}

/** The variables that the operation declares. Others have no effect, and are not looked at. */
export function declaredVariables(
  { variableDefinitions = [] }: OperationDefinitionNode,
  { variables }: OperationRequest,
): Record<string, unknown> {
  const names = variableDefinitions.map(({ variable }) => variable.name.value);
  const given = variables ?? {};
  return Object.fromEntries(
    names.filter((name) => Object.hasOwn(given, name)).map((name) => [name, given[name]]),
  );
}

function checkVariables(
  schema: GraphQLSchema,
  operation: PreparedOperation,
  variables: Record<string, unknown>,
): GraphQLError | undefined {
  const flaw = findFlaw(variables, 0);
  if (!flaw) return undefined;
  const definitions = operation.node.variableDefinitions ?? [];
  if (flaw.kind === 'text' && replaceInvalidValues(schema, definitions, variables))
    return checkVariables(schema, operation, variables);
  if (flaw.kind === 'depth')
    return tooComplex(`Variables can be nested at most ${LIMITS.variableDepth} levels deep.`);
  const path = flaw.path.toReversed().join('.');
  return unstorable(flaw.kind === 'key' ? `A key in variable "$${path}"` : `Variable "$${path}"`, path);
}

interface Flaw {
  kind: 'depth' | 'text' | 'key';
  /** From the inside out. */
  path: string[];
}

/**
 * Visits each value once. Stops at the depth limit, so that deeply nested variables cannot exhaust
 * the stack. The path is built on the way back, because valid variables need none: building it for
 * each value took 25 times as long as parsing the request.
 */
function findFlaw(value: unknown, depth: number): Flaw | undefined {
  if (depth > LIMITS.variableDepth) return { kind: 'depth', path: [] };
  if (typeof value === 'string') return isStorable(value) ? undefined : { kind: 'text', path: [] };
  if (typeof value !== 'object' || value === null) return undefined;
  return Array.isArray(value)
    ? flawInList(value, depth)
    : flawInObject(value as Record<string, unknown>, depth);
}

function flawInList(values: readonly unknown[], depth: number): Flaw | undefined {
  for (let index = 0; index < values.length; index++) {
    const flaw = findFlaw(values[index], depth + 1);
    if (flaw) return within(flaw, String(index));
  }
  return undefined;
}

function flawInObject(fields: Record<string, unknown>, depth: number): Flaw | undefined {
  for (const key of Object.keys(fields)) {
    if (!isStorable(key)) return { kind: 'key', path: [] };
    const flaw = findFlaw(fields[key], depth + 1);
    if (flaw) return within(flaw, key);
  }
  return undefined;
}

function within(flaw: Flaw, key: string): Flaw {
  flaw.path.push(key);
  return flaw;
}
