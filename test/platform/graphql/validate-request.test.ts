import { buildSchema, GraphQLError } from 'graphql';
import { describe, expect, it } from 'vitest';
import { LIMITS } from '../../../src/platform/graphql/limits.ts';
import { PreparedDocument, prepareDocument } from '../../../src/platform/graphql/prepared-document.ts';
import { validateRequest } from '../../../src/platform/graphql/validate-request.ts';
import { required } from '../../../src/platform/required.ts';

const schema = buildSchema(`
  scalar JSON
  type Query { take(json: JSON, numbers: [Int!]): Int }
`);
const QUERY = 'query ($x: JSON) { take(json: $x) }';

function refusal(x: unknown, others: Record<string, unknown> = {}): string | undefined {
  const prepared = prepareDocument(schema, QUERY);
  if (!(prepared instanceof PreparedDocument)) throw new Error('the query is invalid');
  const operation = required(prepared.operation(undefined), 'the operation');
  const outcome = validateRequest(schema, operation, { query: QUERY, variables: { x, ...others } });
  return outcome instanceof GraphQLError ? outcome.message : undefined;
}

const nested = (levels: number): unknown => JSON.parse('['.repeat(levels) + ']'.repeat(levels));

/** The shortest time of several runs: others exclude interference from other processes. */
function shortest(work: () => unknown): number {
  const times = Array.from({ length: 7 }, () => {
    const startedAt = performance.now();
    work();
    return performance.now() - startedAt;
  });
  return Math.min(...times);
}

describe('validateRequest', () => {
  it.for([
    ['a\0', 'Variable "$x" contains'],
    [['a', 'b', '\uD800'], 'Variable "$x.2" contains'],
    [{ a: [{ b: '\0' }] }, 'Variable "$x.a.0.b" contains'],
    [{ '\0': 1 }, 'A key in variable "$x" contains'],
    [{ a: [0, { '\uDC00': 1 }] }, 'A key in variable "$x.a.1" contains'],
  ] as const)('names the variable that cannot be stored: %j', ([value, message]) => {
    expect(refusal(value)).toMatch(message);
  });

  it('accepts any other text', () => {
    expect(refusal({ ключ: ['💩', '', 'a\nb'], n: null, deep: [[[]]] })).toBeUndefined();
  });

  it('accepts variables up to the depth limit', () => {
    expect(refusal(nested(LIMITS.variableDepth))).toBeUndefined();
    expect(refusal(nested(LIMITS.variableDepth + 1))).toMatch('nested at most');
    expect(refusal(nested(30_000))).toMatch('nested at most');
  });

  it('looks only at variables that the operation declares', () => {
    expect(refusal(1, { other: '\0', '\uD800': 1, deep: nested(30_000) })).toBeUndefined();
  });

  it.for([
    ['numbers', Array(500_000).fill(1)],
    ['empty lists', Array(300_000).fill([])],
    ['objects', Array(100_000).fill({ a: 1 })],
    ['strings', Array(250_000).fill('x')],
    ['nested numbers', [[[[[[[[Array(500_000).fill(1)]]]]]]]]],
  ] as const)('takes at most five times as long for a megabyte of %s as parsing it', ([, value]) => {
    const json = JSON.stringify(value);
    const parsing = shortest(() => JSON.parse(json));
    const parsed = JSON.parse(json);
    const checking = shortest(() => refusal(parsed));

    // Building the path of each value took 30 times as long.
    expect(checking).toBeLessThan(5 * parsing + 5);
  });
});
