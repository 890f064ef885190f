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
import { isStorable, toStorable } from './storable.ts';

/** Gives the value that takes the place of an invalid one. It must be valid. */
type Substitute = (value: unknown) => string | null;

/**
 * Gives an input field values that stand for what its scalar refuses and what is not storable, so
 * that a resolver can refuse one entry of a list and not the whole request. Applies to variables.
 */
export const InvalidAs = (substitute: Substitute) => Extensions({ invalidAs: substitute });

/** For text that only describes: whatever it is, the request goes on. */
export const Cosmetic = () =>
  InvalidAs((value) =>
    typeof value === 'string' || typeof value === 'number' ? toStorable(`${value}`) : null,
  );

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
  const fields = Object.values(type.getFields()).flatMap((field): [string, Replace | Leaf][] => {
    const replace = leafOf(field.type, field.extensions.invalidAs) ?? replacerOf(field.type);
    return replace ? [[field.name, replace]] : [];
  });
  return fields.length === 0 ? null : (value) => isRecord(value) && replaceIn(value, fields);
}

/** A field with `InvalidAs`. */
interface Leaf {
  isValid: (value: unknown) => boolean;
  substitute: Substitute;
}

function leafOf(type: GraphQLInputType, substitute: unknown): Leaf | undefined {
  const scalar = isNonNullType(type) ? type.ofType : type;
  if (typeof substitute !== 'function' || !isLeafType(scalar)) return undefined;
  const isValid = (value: unknown) => {
    if (value == null) return scalar === type;
    try {
      return scalar.parseValue(value) !== undefined && (typeof value !== 'string' || isStorable(value));
    } catch {
      return false;
    }
  };
  return { isValid, substitute: substitute as Substitute };
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;

function replaceIn(
  record: Record<string, unknown>,
  fields: readonly (readonly [string, Replace | Leaf])[],
): boolean {
  let isReplaced = false;
  for (const [name, field] of fields) {
    if (!Object.hasOwn(record, name)) continue;
    if (typeof field === 'function') {
      if (field(record[name])) isReplaced = true;
    } else if (!field.isValid(record[name])) {
      record[name] = field.substitute(record[name]);
      isReplaced = true;
    }
  }
  return isReplaced;
}
