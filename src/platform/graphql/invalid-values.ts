import {
  type GraphQLInputType,
  type GraphQLSchema,
  isInputObjectType,
  isLeafType,
  isListType,
  isNonNullType,
  typeFromAST,
  type VariableDefinitionNode,
} from 'graphql';
import { Extensions } from 'type-graphql';

/**
 * Gives an input field a value that stands for all that its scalar refuses, so that the resolver
 * can refuse one entry of a list instead of the whole request. Applies to variables.
 */
export const InvalidAs = (value: string) => Extensions({ invalidAs: value });

/** Replaces invalid values in place. @returns whether there were any */
type Replace = (value: unknown) => boolean;

/**
 * Replaces the invalid values of fields with `InvalidAs` in the variables, in place.
 *
 * @returns whether there were any
 */
export function replaceInvalidValues(
  schema: GraphQLSchema,
  definitions: readonly VariableDefinitionNode[],
  variables: Record<string, unknown>,
): boolean {
  return definitions
    .map(({ type, variable }) => {
      // biome-ignore lint/suspicious/noExplicitAny: no overload of typeFromAST covers all types.
      const inputType = typeFromAST(schema, type as any) as GraphQLInputType;
      return replacerOf(inputType)?.(variables[variable.name.value]) ?? false;
    })
    .some(Boolean);
}

const replacers = new WeakMap<GraphQLInputType, Replace | null>();

/** @returns null if the type has no such fields */
function replacerOf(type: GraphQLInputType): Replace | null {
  const known = replacers.get(type);
  if (known !== undefined) return known;
  // A type that contains itself is not looked into again.
  replacers.set(type, null);
  const replacer = createReplacer(type);
  replacers.set(type, replacer);
  return replacer;
}

function createReplacer(type: GraphQLInputType): Replace | null {
  if (isNonNullType(type)) return replacerOf(type.ofType);
  if (isListType(type)) {
    const replaceItem = replacerOf(type.ofType);
    return replaceItem && ((values) => Array.isArray(values) && values.map(replaceItem).some(Boolean));
  }
  if (!isInputObjectType(type)) return null;
  const fields = Object.values(type.getFields()).flatMap((field): [string, Replace | Substitute][] => {
    const substitute = substituteOf(field.type, field.extensions.invalidAs);
    const replace = substitute ?? replacerOf(field.type);
    return replace ? [[field.name, replace]] : [];
  });
  return fields.length === 0 ? null : (value) => isRecord(value) && replaceIn(value, fields);
}

/** Stands for the invalid values of a field. */
interface Substitute {
  isValid: (value: unknown) => boolean;
  value: string;
}

function substituteOf(type: GraphQLInputType, value: unknown): Substitute | undefined {
  const scalar = isNonNullType(type) ? type.ofType : type;
  if (typeof value !== 'string' || !isLeafType(scalar)) return undefined;
  const isValid = (given: unknown) => {
    try {
      return scalar.parseValue(given) !== undefined;
    } catch {
      return false;
    }
  };
  return { value, isValid };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

function replaceIn(
  record: Record<string, unknown>,
  fields: readonly (readonly [string, Replace | Substitute])[],
): boolean {
  let isReplaced = false;
  for (const [name, field] of fields) {
    if (!Object.hasOwn(record, name)) continue;
    if (typeof field === 'function') {
      if (field(record[name])) isReplaced = true;
    } else if (!field.isValid(record[name])) {
      record[name] = field.value;
      isReplaced = true;
    }
  }
  return isReplaced;
}
