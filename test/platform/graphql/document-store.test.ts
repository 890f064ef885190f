import { buildSchema, execute, type GraphQLError, parse, validate } from 'graphql';
import { describe, expect, it } from 'vitest';
import { createDocumentStore } from '../../../src/platform/graphql/document-store.ts';
import { LIMITS } from '../../../src/platform/graphql/limits.ts';
import { PreparedDocument } from '../../../src/platform/graphql/prepared-document.ts';

const schema = buildSchema('type Query { a(text: String, n: Int): Int! b: Query }');
const ROOMY = { bytes: 10_000_000, entries: 100, documentLength: 1_000, seenOnce: 100 };

const storeWith = (limits: Partial<typeof ROOMY> = {}) =>
  createDocumentStore(schema, { ...ROOMY, ...limits });
type Store = ReturnType<typeof storeWith>;

function prepared(store: Store, source: string): PreparedDocument {
  const document = store.prepare(source);
  if (!(document instanceof PreparedDocument)) throw document[0];
  return document;
}

/** Sends each document twice, as an app would. */
function store(into: Store, ...sources: string[]): void {
  for (const source of [...sources, ...sources]) prepared(into, source);
}

const named = (count: number, prefix = 'q') =>
  Array.from({ length: count }, (_, index) => `query ${prefix}${index} { a }`);

describe('createDocumentStore', () => {
  it('stores a document when it is seen for the second time', () => {
    const documents = storeWith();
    const [first, second, third] = [1, 2, 3].map(() => prepared(documents, '{ a }'));

    expect(second).not.toBe(first);
    expect(third).toBe(second);
    expect(documents.usage()).toMatchObject({ entries: 1, hits: 1, misses: 2 });
  });

  it('keeps one object for each operation of a stored document', () => {
    const documents = storeWith();
    store(documents, 'query A { a } query B { a }');
    const again = () => prepared(documents, 'query A { a } query B { a }');

    expect(again().operation('A')).toBe(again().operation('A'));
    expect(again().operation('A')?.node.name?.value).toBe('A');
    expect(again().operation('B')).not.toBe(again().operation('A'));
    expect([again().operation('C'), again().operation(undefined)]).toEqual([undefined, undefined]);
    expect(prepared(documents, '{ a }').operation(null)?.node.operation).toBe('query');
  });

  it('stores neither invalid documents nor those that are too long', () => {
    const documents = storeWith({ documentLength: 50 });
    for (const source of ['{ nope }', '{', `{ a } #${'x'.repeat(50)}`])
      for (let sent = 0; sent < 3; sent++) documents.prepare(source);

    expect(documents.usage()).toMatchObject({ entries: 0, bytes: 0 });
  });

  it('evicts the least recently used documents beyond the number of entries', () => {
    const documents = storeWith({ entries: 3 });
    const [one = '', two = '', three = '', four = ''] = named(4);
    store(documents, one, two, three);
    const stored = prepared(documents, one);
    store(documents, four);

    expect(documents.usage().entries).toBe(3);
    expect(prepared(documents, one)).toBe(stored);
    const { misses } = documents.usage();
    prepared(documents, two);
    expect(documents.usage().misses).toBe(misses + 1);
  });

  it('evicts documents beyond the number of bytes', () => {
    const documents = storeWith({ bytes: 20_000 });
    store(documents, ...named(80));
    const { entries, bytes } = documents.usage();

    expect(bytes).toBeLessThanOrEqual(20_000);
    expect(entries).toBeGreaterThan(5);
    expect(entries).toBeLessThan(80);
  });

  it('does not store a document that alone exceeds the number of bytes', () => {
    const documents = storeWith({ bytes: 1_000 });
    store(documents, `{ ${'a '.repeat(15)} }`);

    expect(documents.usage()).toMatchObject({ entries: 0, bytes: 0 });
  });

  it('remembers a limited number of documents as seen once', () => {
    const documents = storeWith({ seenOnce: 10 });
    for (const source of [...named(11), ...named(1)]) prepared(documents, source);

    expect(documents.usage().entries).toBe(0);
  });

  it('retains no tokens of a document', () => {
    const documents = storeWith();
    const { document } = prepared(documents, '# a comment\nquery ($n: Int = 3) { a(n: $n) b { a } }');
    const seen = new Set<object>();
    const keys = new Set<string>();
    const visit = (value: unknown) => {
      if (typeof value !== 'object' || value === null || seen.has(value)) return;
      seen.add(value);
      for (const [key, child] of Object.entries(value)) {
        keys.add(key);
        visit(child);
      }
    };
    visit(document);

    expect([...keys]).toEqual(expect.arrayContaining(['loc', 'source', 'start']));
    for (const key of ['startToken', 'endToken', 'prev', 'next']) expect(keys).not.toContain(key);
  });

  it('reports errors at the same locations as graphql-js', () => {
    const source = '# é\nquery ($n: Int!) {\r\n  b { x: a(n: $n)\n a(n: $n) }\n}';
    const { document } = prepared(storeWith(), source);
    const errorsOf = (of: typeof document) =>
      [{}, { n: 1 }].flatMap((variableValues) => {
        const rootValue = { b: { a: () => 'not a number' } };
        const result = execute({ schema, document: of, rootValue, variableValues }) as {
          errors?: GraphQLError[];
        };
        return result.errors?.map((error) => error.toJSON());
      });

    expect(errorsOf(document)).toEqual(errorsOf(parse(source)));
    expect(errorsOf(document)).toHaveLength(2);
  });

  it('reports the same validation errors as graphql-js, without suggestions', () => {
    const source = 'query ($x: Int, $x: Int) { aa a(n: "x", m: 1) b }';
    const errors = storeWith().prepare(source) as readonly GraphQLError[];

    expect(errors.map(({ message, locations }) => ({ message, locations }))).toEqual(
      validate(schema, parse(source), undefined, { hideSuggestions: true }).map(({ message, locations }) => ({
        message,
        locations,
      })),
    );
    expect(errors.length).toBeGreaterThan(3);
  });
});

describe('the size of a document', () => {
  const codesOf = (source: string) => {
    const result = storeWith().prepare(source);
    return result instanceof PreparedDocument ? [] : result.map(({ extensions }) => extensions.reason);
  };
  const { documentLength, documentLines, tokens } = LIMITS;

  it.for([
    ['characters', '{ a }', ' ', documentLength - 5],
    ['lines', '{ a }', '\n', documentLines - 1],
    ['lines that end with CR', '{ a }', '\r', documentLines - 1],
    ['lines that end with CRLF', '{ a }', '\r\n', documentLines - 1],
    ['comments, which count as tokens', '{ a }', '\n#', tokens - 3],
    ['comments before it', '', '#\n', tokens - 3, '{ a }'],
  ] as const)('is limited in %s', ([, before, repeated, most, after = '']) => {
    expect(codesOf(before + repeated.repeat(most) + after)).toEqual([]);
    expect(codesOf(before + repeated.repeat(most + 1) + after)).toEqual(['OPERATION_TOO_COMPLEX']);
  });
});
