import { type GraphQLSchema, type GraphQLTypeResolver, isObjectType, isUnionType } from 'graphql';
import 'type-graphql';
import { required } from '../required.ts';

const metadata = () => required(globalThis.TypeGraphQLMetadataStorage, 'the metadata of type-graphql');

/**
 * Makes fields that only read a property use the default resolver. Call it before `buildSchema`:
 * type-graphql would give each of them a resolver of its own, which execution has to call for every
 * value, and which the compiler of queries cannot see through.
 */
export function useDefaultResolvers(): void {
  for (const type of metadata().objectTypes) type.simpleResolvers ??= true;
}

/**
 * Adapts the schema to compiled queries: they read properties without awaiting them, and need the
 * type of a union's value synchronously, whereas type-graphql always returns a promise of it.
 */
export function adaptToCompiledQueries(schema: GraphQLSchema): void {
  for (const type of Object.values(schema.getTypeMap())) {
    if (isUnionType(type)) type.resolveType = typeResolver(type.name);
    const totalCount = isObjectType(type) ? type.getFields().totalCount : undefined;
    if (totalCount) totalCount.resolve ??= (page: { totalCount: unknown }) => page.totalCount;
  }
}

/** Unions resolve to the class of an object type. */
function typeResolver(union: string): GraphQLTypeResolver<unknown, unknown> {
  const { objectTypes, unions } = metadata();
  const names = new Map<unknown, string>(objectTypes.map(({ target, name }) => [target, name]));
  const resolveType = required(unions.find(({ name }) => name === union)?.resolveType, `types of ${union}`);
  return (value, ...others) => names.get(resolveType(value, ...others));
}
