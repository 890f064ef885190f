import fc from 'fast-check';
import {
  type ExecutionResult,
  execute,
  type GraphQLFieldConfigMap,
  GraphQLInt,
  GraphQLList,
  GraphQLNonNull,
  GraphQLObjectType,
  GraphQLSchema,
  GraphQLString,
  GraphQLUnionType,
  parse,
} from 'graphql';
import { compileQuery } from 'graphql-jit';
import { describe, expect, it, vi } from 'vitest';
import { PlatformError } from '../../../src/platform/errors.ts';
import { type Compiler, createExecutor } from '../../../src/platform/graphql/executor.ts';
import { PreparedDocument } from '../../../src/platform/graphql/prepared-document.ts';

/** Counts what is compiled. */
const compile = vi.fn<Compiler>(compileQuery);

const later = async <Value>(value: Value) => value;
const fails = () => {
  throw new PlatformError('NOT_FOUND');
};
const failsLater = async () => fails();

const Leaf: GraphQLObjectType = new GraphQLObjectType({
  name: 'Leaf',
  fields: { leaf: { type: new GraphQLNonNull(GraphQLString) }, none: { type: GraphQLString } },
});

/** Fields of every kind that execution treats differently, by name. */
const Node: GraphQLObjectType = new GraphQLObjectType<unknown, unknown>({
  name: 'Node',
  fields: (): GraphQLFieldConfigMap<unknown, unknown> => ({
    id: { type: new GraphQLNonNull(GraphQLString) },
    absent: { type: GraphQLString },
    missing: { type: new GraphQLNonNull(GraphQLString) },
    number: { type: GraphQLInt },
    wrong: { type: GraphQLInt },
    bad: { type: GraphQLString, resolve: fails },
    badLater: { type: GraphQLString, resolve: failsLater },
    required: { type: new GraphQLNonNull(GraphQLString), resolve: fails },
    requiredLater: { type: new GraphQLNonNull(GraphQLString), resolve: failsLater },
    soon: { type: GraphQLString, resolve: () => later('soon') },
    error: { type: GraphQLString, resolve: () => new PlatformError('NOT_FOUND') },
    echo: {
      type: GraphQLString,
      args: { text: { type: GraphQLString, defaultValue: 'default' } },
      resolve: (_source, { text }) => text,
    },
    self: { type: Node, resolve: () => NODE },
    selfLater: { type: new GraphQLNonNull(Node), resolve: () => later(NODE) },
    nodes: { type: new GraphQLList(Node), resolve: () => [NODE, null, NODE] },
    strict: {
      type: new GraphQLList(new GraphQLNonNull(Node)),
      // The null is first: graphql-js 16 leaves promises of earlier entries unhandled.
      resolve: () => [null, NODE],
    },
    later: { type: new GraphQLNonNull(new GraphQLList(Node)), resolve: () => later([NODE, later(NODE)]) },
    either: { type: Either, resolve: () => NODE },
    eithers: { type: new GraphQLList(Either), resolve: () => [NODE, LEAF] },
  }),
});
const Either = new GraphQLUnionType({
  name: 'Either',
  types: () => [Node, Leaf],
  resolveType: (value: object) => ('leaf' in value ? 'Leaf' : 'Node'),
});

const NODE = { id: 'node', absent: null, number: 1, wrong: 'x' };
const LEAF = { leaf: 'leaf' };
const schema = new GraphQLSchema({
  query: new GraphQLObjectType({
    name: 'Query',
    fields: {
      node: { type: Node, resolve: () => later(NODE) },
      now: { type: Node, resolve: () => NODE },
      bad: { type: Node, resolve: failsLater },
      badNow: { type: Node, resolve: fails },
      nothing: { type: Node, resolve: () => null },
    },
  }),
});

const LEAVES = ['id', 'absent', 'missing', 'number', 'wrong', 'bad', 'badLater', 'required', 'requiredLater'];
const MORE_LEAVES = ['soon', 'error', '__typename', 'echo', 'echo(text: "x")', 'echo(text: $text)'];
const PARENTS = ['self', 'selfLater', 'nodes', 'strict', 'later'];
const UNIONS = ['either', 'eithers'];

const condition = fc.constantFrom('', '', '', ' @skip(if: $yes)', ' @include(if: $yes)', ' @skip(if: $no)');
const { selection } = fc.letrec<{ selection: string }>((tie) => ({
  selection: fc.oneof(
    { depthSize: 'small', withCrossShrink: true },
    fc.tuple(fc.constantFrom(...LEAVES, ...MORE_LEAVES), condition).map((parts) => parts.join('')),
    fc
      .tuple(fc.constantFrom(...PARENTS), condition, tie('selection'), tie('selection'))
      .map(([field, when, one, other]) => `${field}${when} { ${one} ${aliased(other)} }`),
    fc
      .tuple(fc.constantFrom(...UNIONS), tie('selection'))
      .map(([field, inner]) => `${field} { __typename ... on Node { ${inner} } ... on Leaf { leaf none } }`),
    tie('selection').map((inner) => `... on Node { ${inner} }`),
  ),
}));

/** Prevents conflicts between two selections of one field. */
const aliased = (field: string) => (/^\w/.test(field) ? `other: ${field}` : `self { ${field} }`);

const query = fc.tuple(fc.constantFrom('node', 'now', 'bad', 'badNow', 'nothing'), selection).map(
  ([root, inner]) => `query ($yes: Boolean! = true, $no: Boolean! = false, $text: String) {
    first: ${root} { ${inner} } second: now { id } }`,
);

const plain = (result: ExecutionResult) =>
  JSON.parse(JSON.stringify({ ...result, errors: result.errors?.map((error) => error.toJSON()) ?? null }));

async function both(text: string, variables: Record<string, unknown>, subject = schema) {
  const operation = new PreparedDocument(parse(text)).operation(undefined);
  if (!operation) throw new Error('no operation');
  const executor = createExecutor(subject, compile);
  const run = async () => plain(await executor(operation, { context: {}, variables }));
  const results = [await run(), await run(), await run(), await run(), await run()];
  const reference = await execute({ schema: subject, document: parse(text), variableValues: variables });
  return { results, reference: plain(reference) };
}

describe('createExecutor', () => {
  it('gives the result of graphql-js, compiled or not', async () => {
    compile.mockClear();
    await fc.assert(
      fc.asyncProperty(
        query,
        fc.constantFrom({}, { text: null }, { text: 'given' }),
        async (text, variables) => {
          const { results, reference } = await both(text, variables);
          for (const result of results) expect(result).toEqual(reference);
        },
      ),
      { numRuns: 400 },
    );
    expect(compile.mock.calls.length).toBeGreaterThan(300);
  });

  it('compiles an operation when it is executed for the fourth time', async () => {
    compile.mockClear();
    const operation = new PreparedDocument(parse('{ node { id } }')).operation(undefined);
    const executor = createExecutor(schema, compile);
    const compiled: number[] = [];
    for (let time = 0; operation && time < 6; time++) {
      await executor(operation, { context: {}, variables: {} });
      compiled.push(compile.mock.calls.length);
    }

    expect(compiled).toEqual([0, 0, 0, 1, 1, 1]);
  });

  it.each(['__proto__', 'constructor', 'toString', 'hasOwnProperty', '__validNode0', 'idx0'])(
    'returns a field under the alias %s as plain data',
    async (alias) => {
      const { results, reference } = await both(`{ ${alias}: node { ${alias}: id } }`, {});

      for (const result of results) expect(JSON.stringify(result)).toBe(JSON.stringify(reference));
      expect(JSON.stringify(reference)).toContain(`"${alias}":{"${alias}":"node"}`);
    },
  );

  it('runs an operation whose root field fails once', async () => {
    const resolve = vi.fn(failsLater);
    const counted = new GraphQLSchema({
      query: new GraphQLObjectType({ name: 'Query', fields: { bad: { type: GraphQLString, resolve } } }),
    });

    await both('{ bad }', {}, counted);

    // Five times by the executor, once by the reference.
    expect(resolve).toHaveBeenCalledTimes(6);
  });

  it('stops compiling when many distinct operations have used up its time', async () => {
    compile.mockClear();
    const executor = createExecutor(schema, compile);
    const nested = (depth: number): string =>
      depth === 0 ? 'id' : `eithers { ... on Node { ${nested(depth - 1)} } }`;
    const startedAt = performance.now();
    const documents = 3_000;
    for (let number = 0; number < documents; number++) {
      const operation = new PreparedDocument(
        parse(`query q${number} { nothing { ${nested(6)} } }`),
      ).operation(undefined);
      for (let time = 0; operation && time < 4; time++)
        await executor(operation, { context: {}, variables: {} });
    }
    const seconds = (performance.now() - startedAt) / 1_000;

    expect(compile.mock.calls.length).toBeLessThan(documents / 2);
    const spent = compile.mock.results.length;
    expect(spent).toBeGreaterThan(0);
    expect(seconds).toBeLessThan(60);
  }, 90_000);
});
