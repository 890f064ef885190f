import { GraphQLError, type GraphQLSchema, getVariableValues, type VariableDefinitionNode } from 'graphql';
import { replaceInvalidValues } from './invalid-values.ts';

/** Further errors are not looked for. */
const MAX_ERRORS = 20;

/** Extension of the first error with all of them. */
const ALL_ERRORS = 'variableErrors';

/**
 * Coerces the variables of an operation. Invalid values of fields with `InvalidAs` are replaced in
 * `given` too.
 *
 * @returns an error if they are invalid
 */
export function coerceVariables(
  schema: GraphQLSchema,
  definitions: readonly VariableDefinitionNode[],
  given: Record<string, unknown>,
): Record<string, unknown> | GraphQLError {
  const { coerced, errors = [] } = getVariableValues(schema, definitions, given, { maxErrors: MAX_ERRORS });
  const [first] = errors;
  if (!first) return coerced ?? {};
  if (replaceInvalidValues(schema, definitions, given)) return coerceVariables(schema, definitions, given);
  first.extensions[ALL_ERRORS] = errors;
  return first;
}

/** An invalid variable, or a part of one. */
export interface InvalidVariable {
  /** Dotted path: `input.codes.0`. */
  path: string;
  /** Why it is invalid. */
  message: string;
  error: GraphQLError;
}

/** The invalid variables that an error is about; empty for other errors. */
export function invalidVariables(error: GraphQLError): InvalidVariable[] {
  const all = error.extensions[ALL_ERRORS];
  const errors: readonly unknown[] = Array.isArray(all) ? all : [error];
  return errors.flatMap((each) => (each instanceof GraphQLError ? toInvalidVariable(each) : []));
}

/*
 * As graphql-js words them. Quotes in the value, which the client sent, are escaped, except in
 * keys.
 */
const AT_PLACE = /^Variable "\$(\w+)" got invalid value .*? at "\1([\w.[\]]+)"; (.*)$/s;
const AS_A_WHOLE = /^Variable "\$(\w+)" got invalid value .*(); (.*)$/s;
const NO_VALUE = /^Variable "\$(\w+)" of (?:required|non-null) type()(.*)/s;
const FIELD = /^Field "(\w+)" (?:is not defined by|of required) type/;

function toInvalidVariable(error: GraphQLError): InvalidVariable[] {
  const found =
    AT_PLACE.exec(error.message) ?? AS_A_WHOLE.exec(error.message) ?? NO_VALUE.exec(error.message);
  const [, variable, place = '', message] = found ?? [];
  if (variable === undefined || message === undefined) return [];
  const [, field] = FIELD.exec(message) ?? [];
  const path = `${variable}${place.replace(/\[(\d+)\]/g, '.$1')}${field ? `.${field}` : ''}`;
  return [{ path, message: NO_VALUE.test(error.message) ? error.message : message, error }];
}
