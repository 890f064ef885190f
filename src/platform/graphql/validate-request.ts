import { type DocumentNode, GraphQLError, type GraphQLSchema, Kind, visit } from 'graphql';
import { checkCost } from './cost.ts';
import { LIMITS, tooComplex } from './limits.ts';
import type { OperationRequest } from './operation-request.ts';

/**
 * Checks that depend on the variables, and so cannot be validation rules.
 *
 * @returns the error that refuses the operation, else undefined
 */
export function validateRequest(
  schema: GraphQLSchema,
  document: DocumentNode,
  request: OperationRequest,
): GraphQLError | undefined {
  return (
    checkVariable(request.variables ?? {}, []) ??
    checkLiterals(document) ??
    checkCost(schema, document, request)
  );
}

/** Stops at the depth limit, so that deeply nested variables cannot exhaust the stack. */
function checkVariable(value: unknown, path: readonly string[]): GraphQLError | undefined {
  if (path.length > LIMITS.variableDepth) {
    return tooComplex(`Variables can be nested at most ${LIMITS.variableDepth} levels deep.`);
  }
  if (typeof value === 'string' && !isStorable(value)) return unstorable(`Variable "$${path.join('.')}"`);
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, child] of Object.entries(value)) {
    if (!isStorable(key)) return unstorable(`A key in variable "$${path.join('.')}"`);
    const error = checkVariable(child, [...path, key]);
    if (error) return error;
  }
  return undefined;
}

function checkLiterals(document: DocumentNode): GraphQLError | undefined {
  let error: GraphQLError | undefined;
  visit(document, {
    [Kind.STRING]({ value }) {
      if (!isStorable(value)) error ??= unstorable('A string in the document');
    },
  });
  return error;
}

const LONE_SURROGATE = /[\uD800-\uDFFF]/u;

/**
 * PostgreSQL rejects text with U+0000 or lone surrogates. Checking all input here, including the
 * keys of free-form JSON, turns what would be a database error into a client error.
 */
function isStorable(text: string): boolean {
  return !text.includes('\0') && !LONE_SURROGATE.test(text);
}

function unstorable(subject: string): GraphQLError {
  return new GraphQLError(`${subject} contains an invalid character: U+0000 or a lone surrogate.`, {
    extensions: { code: 'BAD_USER_INPUT' },
  });
}
