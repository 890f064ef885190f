import {
  type GraphQLInputField,
  type GraphQLInputType,
  type GraphQLLeafType,
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
      // The document is valid, so the type is known and an input type.
      const inputType = typeFromAST(schema, type) as GraphQLInputType;
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
  const fields = Object.values(type.getFields()).flatMap((field): [string, ReplaceIn][] => {
    const replace = inField(field);
    return replace ? [[field.name, replace]] : [];
  });
  if (fields.length === 0) return null;
  return (value) =>
    isRecord(value) &&
    fields.map(([name, replace]) => Object.hasOwn(value, name) && replace(value)).some(Boolean);
}

/** Replaces invalid values in one field of an object. @returns whether there were any */
type ReplaceIn = (object: Record<string, unknown>) => boolean;

/** @returns null if the field cannot have values to replace */
function inField({ name, type, extensions: { invalidAs } }: GraphQLInputField): ReplaceIn | null {
  const scalar = isNonNullType(type) ? type.ofType : type;
  if (typeof invalidAs !== 'function' || !isLeafType(scalar)) {
    const replace = replacerOf(type);
    return replace && ((object) => replace(object[name]));
  }
  const substitute = invalidAs as Substitute;
  return (object) => {
    const value = object[name];
    const isValid = value == null ? scalar === type : isReadable(scalar, value);
    if (!isValid) object[name] = substitute(value);
    return !isValid;
  };
}

function isReadable(type: GraphQLLeafType, value: unknown): boolean {
  try {
    return type.parseValue(value) !== undefined && (typeof value !== 'string' || isStorable(value));
  } catch {
    return false;
  }
}

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
