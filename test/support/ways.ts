import {
  type GraphQLField,
  type GraphQLObjectType,
  type GraphQLSchema,
  getNamedType,
  isObjectType,
  isRequiredArgument,
  isUnionType,
} from 'graphql';
import { policyOf } from '../../src/platform/graphql/policy.ts';

type Field = GraphQLField<unknown, unknown>;

/**
 * A path from Query to a type: `redemptions(first: 1)`, `nodes`, `order`; with the root field's
 * policy.
 */
export interface Way {
  steps: string[];
  policy: string | undefined;
}

/**
 * Finds the shortest path to each type, by fields that need no arguments and are not for agents
 * only.
 */
export function waysInto(schema: GraphQLSchema): Map<string, Way> {
  const ways = new Map<string, Way>([['Query', { steps: [], policy: undefined }]]);
  for (const [name, way] of ways) {
    for (const field of fieldsOf(schema.getType(name)).filter(isOpen)) {
      const [next] = typesOf(field);
      if (next && !ways.has(next.name)) ways.set(next.name, further(way, field, next));
    }
  }
  return ways;
}

function further({ steps, policy }: Way, field: Field, type: GraphQLObjectType): Way {
  const step = isConnection(type) ? `${field.name}(first: 1)` : field.name;
  return { steps: [...steps, step], policy: policy ?? policyOf(field) };
}

/** Names the object types that are reachable from the fields. */
export function typesBehind(fields: readonly Field[]): Set<string> {
  const types = new Set<GraphQLObjectType>(fields.flatMap(typesOf));
  for (const type of types)
    for (const field of fieldsOf(type)) for (const next of typesOf(field)) types.add(next);
  return new Set([...types].map(({ name }) => name));
}

export const isConnection = ({ name }: { name: string }) => name.endsWith('Connection');

const isOpen = (field: Field) => policyOf(field) !== 'AGENT' && !field.args.some(isRequiredArgument);

function fieldsOf(type: unknown): Field[] {
  return isObjectType(type) ? Object.values(type.getFields()) : [];
}

function typesOf({ type }: Field): readonly GraphQLObjectType[] {
  const named = getNamedType(type);
  if (isUnionType(named)) return named.getTypes();
  return isObjectType(named) ? [named] : [];
}
