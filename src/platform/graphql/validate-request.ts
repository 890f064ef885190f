import { type DocumentNode, GraphQLError, type GraphQLSchema, Kind, visit } from 'graphql';
import { checkCost } from './cost.ts';
import { LIMITS, tooComplex } from './limits.ts';
import type { OperationRequest } from './operation-request.ts';

/**
 * What must be known of the variables, and so cannot be a validation rule: the same on every transport.
 *
 * @returns why the operation is not run, else undefined
 */
export function checkRequest(
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

/** Looks no deeper than is allowed, so what is nested too deep cannot exhaust the stack here or further on. */
function checkVariable(value: unknown, path: readonly string[]): GraphQLError | undefined {
  if (path.length > LIMITS.variableDepth) {
    return tooComplex(`Variables may be nested ${LIMITS.variableDepth} levels deep at most.`);
  }
  if (typeof value === 'string' && !isFit(value)) return unfit(`Variable "$${path.join('.')}"`);
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, child] of Object.entries(value)) {
    if (!isFit(key)) return unfit(`A key in variable "$${path.join('.')}"`);
    const fault = checkVariable(child, [...path, key]);
    if (fault) return fault;
  }
  return undefined;
}

function checkLiterals(document: DocumentNode): GraphQLError | undefined {
  let fault: GraphQLError | undefined;
  visit(document, {
    [Kind.STRING]({ value }) {
      if (!isFit(value)) fault ??= unfit('A string in the document');
    },
  });
  return fault;
}

const HALF_A_PAIR = /[\uD800-\uDFFF]/u;

/**
 * PostgreSQL keeps neither U+0000 nor half a surrogate pair in a text, and fails when it meets them: nobody
 * means them, so they are refused wherever they come from, in keys of free-form JSON as well.
 */
function isFit(text: string): boolean {
  return !text.includes('\0') && !HALF_A_PAIR.test(text);
}

function unfit(what: string): GraphQLError {
  return new GraphQLError(
    `${what} has a character that no text may have: U+0000, or half a surrogate pair.`,
    {
      extensions: { code: 'BAD_USER_INPUT' },
    },
  );
}
