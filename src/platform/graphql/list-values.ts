import {
  defaultFieldResolver,
  type FieldNode,
  type GraphQLField,
  type GraphQLResolveInfo,
  type GraphQLSchema,
  getNullableType,
  isIntrospectionType,
  isListType,
  isObjectType,
  Kind,
  type SelectionSetNode,
} from 'graphql';
import { PlatformError } from '../errors.ts';

/**
 * Limits the values that the lists of one response contain, counted when the lists are read. The
 * estimate before execution cannot know how long lists without pages are, and it does not count the
 * fields of their entries.
 *
 * @param limitOf the limit for the caller in this context
 */
export function limitListValues<Context>(schema: GraphQLSchema, limitOf: (context: Context) => number): void {
  for (const type of Object.values(schema.getTypeMap())) {
    if (!isObjectType(type) || isIntrospectionType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      if (isListType(getNullableType(field.type))) limit(field, limitOf);
    }
  }
}

function limit<Context>(field: GraphQLField<unknown, unknown>, limitOf: (context: Context) => number): void {
  const { resolve = defaultFieldResolver } = field;
  field.resolve = (source, args, context, info) => {
    const checked = (list: unknown) => {
      if (Array.isArray(list)) spend(list.length * valuesOf(info), limitOf(context as Context), info);
      return list;
    };
    const list: unknown = resolve(source, args, context, info);
    return isThenable(list) ? list.then(checked) : checked(list);
  };
}

/** Prisma's promises are not instances of Promise. */
const isThenable = (value: unknown): value is PromiseLike<unknown> =>
  typeof value === 'object' && value !== null && 'then' in value;

/** By execution: graphql-js coerces the variables of each into a new object. */
const spentValues = new WeakMap<GraphQLResolveInfo['variableValues'], number>();

/** @throws PlatformError OPERATION_TOO_COMPLEX */
function spend(values: number, most: number, { variableValues }: GraphQLResolveInfo): void {
  const spent = (spentValues.get(variableValues) ?? 0) + values;
  spentValues.set(variableValues, spent);
  if (spent <= most) return;
  throw new PlatformError('OPERATION_TOO_COMPLEX', {
    message: `The lists of the response have more than ${most} values. Request fewer of them.`,
  });
}

/** By selection, which all lists at the same place in an operation share. */
const counts = new WeakMap<readonly FieldNode[], number>();

/** Values of one entry: its fields at every depth, each counted once; 1 for a scalar. */
function valuesOf({ fieldNodes, fragments }: GraphQLResolveInfo): number {
  const known = counts.get(fieldNodes);
  if (known !== undefined) return known;
  const fields = fieldNodes.reduce((sum, { selectionSet }) => sum + fieldsOf(selectionSet, fragments), 0);
  const values = Math.max(1, fields);
  counts.set(fieldNodes, values);
  return values;
}

/** Bounded by `LIMITS.fields`, which counts a fragment each time it is spread as well. */
function fieldsOf(
  selectionSet: SelectionSetNode | undefined,
  fragments: GraphQLResolveInfo['fragments'],
): number {
  return (selectionSet?.selections ?? []).reduce((sum, selection) => {
    if (selection.kind === Kind.FIELD) return sum + 1 + fieldsOf(selection.selectionSet, fragments);
    const fragment = selection.kind === Kind.INLINE_FRAGMENT ? selection : fragments[selection.name.value];
    return sum + fieldsOf(fragment?.selectionSet, fragments);
  }, 0);
}
