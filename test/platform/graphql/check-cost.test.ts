import { buildSchema } from 'graphql';
import { describe, expect, it } from 'vitest';
import { createDocumentStore } from '../../../src/platform/graphql/document-store.ts';
import { prepareSubscription } from '../../../src/platform/graphql/operation.ts';

const schema = buildSchema(`
  type Query { a: Int }
  type Subscription { user: User! }
  type User { id: ID! friends(first: Int): UserConnection! pets: [User!]! tags: [String!]! }
  type UserConnection { nodes: [User!]! edges: [UserEdge!]! }
  type UserEdge { node: User! }
`);

const CLIENT = { context: {}, charge: () => {} };

const many = (count: number, part: (index: number) => string) =>
  Array.from({ length: count }, (_, i) => part(i)).join(' ');
const chain = (length: number, part: (next: string, index: number) => string) =>
  many(length, (i) => `fragment F${i} on User { ${part(i < length - 1 ? `...F${i + 1}` : 'id', i)} }`);
const inUser = (selection: string) => `subscription { user { ${selection} } }`;

/** Operations that are expensive to execute but within the token limit. */
const BOMBS: [string, { query: string; variables?: Record<string, unknown> }][] = [
  [
    'fragments that grow exponentially',
    { query: `${inUser('...F0')} ${chain(60, (next) => `${next} ${next}`)}` },
  ],
  [
    'fragments with many spreads',
    { query: `${inUser('...F0')} ${chain(10, (next) => many(25, () => next))}` },
  ],
  [
    'fragments below aliases',
    {
      query: `${inUser('...F0')} ${chain(40, (next, i) => `a${i}: friends { nodes { ${next} } } b${i}: friends { nodes { ${next} } }`)}`,
    },
  ],
  ['a field that is repeated', { query: inUser(many(1_000, () => 'id')) }],
  [
    'a field with sub-fields that is repeated',
    { query: inUser(many(150, () => 'friends { nodes { id } }')) },
  ],
  ['many directives', { query: inUser(`id ${many(160, () => '@skip(if: true)')}`) }],
  ['many unknown names', { query: inUser(many(900, (i) => `nope${i}`)) }],
  ['many variables', { query: `subscription(${many(200, (i) => `$v${i}: Int`)}) { user { id } }` }],
  ['thousands of open brackets', { query: inUser(`friends(first: ${'['.repeat(30_000)}`) }],
  ['a string of 60 KB', { query: inUser(`friends(first: "${'x'.repeat(60_000)}") { nodes { id } }`) }],
  ['nested pages', { query: inUser(`${'friends(first: 100) { nodes { '.repeat(4)} id ${'} }'.repeat(4)}`) }],
  ['nested lists without pagination', { query: inUser(`${'pets { '.repeat(5)} id ${'}'.repeat(5)}`) }],
  ['lists inside pages', { query: inUser('friends(first: 100) { nodes { pets { pets { id } } } }') }],
  [
    'directives in fragments',
    {
      query: `${inUser(many(26, () => '...F'))} fragment F on User { id @skip(if: false) tags @include(if: true) }`,
    },
  ],
  [
    'thousands of invalid variables',
    {
      query: 'subscription ($x: [Int!]) { user { friends(first: 1) { nodes { id } } } }',
      variables: { x: Array(20_000).fill('x') },
    },
  ],
];

describe('prepareSubscription', () => {
  it.for(BOMBS)('refuses %s in less than 50 ms', ([, request]) => {
    const times: number[] = [];
    for (let run = 0; run < 5; run++) {
      const started = performance.now();
      expect(prepareSubscription(createDocumentStore(schema), request, CLIENT)).toBeInstanceOf(Array);
      times.push(performance.now() - started);
    }

    expect(Math.min(...times)).toBeLessThan(50);
  });

  it('accepts a typical client query', () => {
    const query = inUser('id friends(first: 20) { nodes { id friends { nodes { id } } } }');

    expect(prepareSubscription(createDocumentStore(schema), { query }, CLIENT)).toMatchObject({
      document: expect.anything(),
    });
  });

  it('counts a list without pagination as five entries, and a connection by its page size', () => {
    const lists = inUser('pets { pets { id tags } }');
    const page = inUser('friends(first: 100) { nodes { pets { id } } }');
    const pageByEdges = inUser('friends(first: 50) { edges { node { pets { id } } } nodes { id } }');

    for (const query of [lists, page, pageByEdges]) {
      expect(prepareSubscription(createDocumentStore(schema), { query }, CLIENT)).toHaveProperty('document');
    }
  });

  it('takes the page size from a variable', () => {
    const query = `subscription ($n: Int) { user { friends(first: $n) { nodes { friends(first: $n) { nodes { id } } } } } }`;

    expect(
      prepareSubscription(createDocumentStore(schema), { query, variables: { n: 20 } }, CLIENT),
    ).toHaveProperty('document');
    expect(
      prepareSubscription(createDocumentStore(schema), { query, variables: { n: 100 } }, CLIENT),
    ).toMatchObject([{ message: expect.stringContaining('the limit is 2000') }]);
  });
});
