/** Builds a document from a number of repetitions; more of them make it larger. */
type Shape = (count: number) => string;

const many = (count: number, part: (index: number) => string, separator = ' ') =>
  Array.from({ length: count }, (_, index) => part(index)).join(separator);
const inUser = (selection: string) => `{ viewer { ${selection} } }`;
const fragments = (count: number, selection: (index: number) => string, on = 'User') =>
  many(count, (index) => `fragment F${index} on ${on} { ${selection(index)} }`);
const spreads = (count: number, from = 0) => many(count, (index) => `...F${from + index}`);
const root = (count: number) => Math.max(1, Math.floor(Math.sqrt(count)));
const LEAVES = ['id', 'email', 'role'];

/** Fields with the same response name, which must be compared with each other. */
const OVERLAPS: Record<string, Shape> = {
  'a leaf, repeated': (n) => inUser(many(n, () => 'id')),
  '__typename, repeated': (n) => `{ ${many(n, () => '__typename')} }`,
  'an unknown field, repeated': (n) => inUser(many(n, () => 'x')),
  'a list, repeated': (n) => inUser(many(n, () => 'sessions { id }')),
  'nested lists, repeated': (n) => inUser(many(n, () => 'subscriptions { plan { id } }')),
  'lists of repeated leaves': (n) =>
    inUser(many(root(n), () => `subscriptions { ${many(root(n), () => 'id')} }`)),
  'two lists of repeated leaves': (n) => inUser(many(2, () => `subscriptions { ${many(n, () => 'id')} }`)),
  'a field with arguments, repeated': (n) => inUser(many(n, () => 'devices(first: 1) { totalCount }')),
  'different fields under an alias': (n) => inUser(many(n, (index) => `a: ${LEAVES[index % 3]}`)),
  'different arguments': (n) => inUser(many(n, (index) => `devices(first: ${index}) { totalCount }`)),
  'different fields below lists': (n) =>
    inUser(many(n, (index) => `subscriptions { a: ${['id', 'status', 'token'][index % 3]} b: id }`)),
  'different fields below nested lists': (n) =>
    inUser(many(n, (index) => `subscriptions { plan { a: ${['id', 'name'][index % 2]} a: status } }`)),
  'object arguments, repeated': (n) => `{ ${many(n, () => 'orders(filter: {a: [1, 2]}) { totalCount }')} }`,
  'types of a union, repeated': (n) =>
    inUser(
      `subscriptions { nodes { clientConfig { ${many(n, () => '... on VmessConfig { security }')} } } }`,
    ),
  'two types of a union, repeated': (n) =>
    inUser(
      `subscriptions { nodes { clientConfig { ${many(n, () => '... on VmessConfig { security } ... on VlessConfig { security }')} } } }`,
    ),
  'inline fragments, nested': (n) => inUser(`${'... { id '.repeat(n)}${'}'.repeat(n)}`),
  'typed inline fragments, nested': (n) => inUser(`${'... on User { id '.repeat(n)}${'}'.repeat(n)}`),
  'introspection, repeated': (n) => `{ __schema { ${many(n, () => 'types { name }')} } }`,
  'fields of a subscription': (n) => `subscription { ${many(n, (index) => `f${index}`)} }`,
};

const FRAGMENTS: Record<string, Shape> = {
  'unknown ones': (n) => inUser(spreads(n)),
  'an unknown one, repeated': (n) => inUser(many(n, () => '...F')),
  'one, spread repeatedly': (n) => `${inUser(many(n, () => '...F0'))} ${fragments(1, () => 'id')}`,
  unused: (n) => `${inUser('id')} ${fragments(n, () => 'id')}`,
  'with the same name': (n) => `${inUser('...F')} ${many(n, () => 'fragment F on User { id }')}`,
  'all spread': (n) => `${inUser(spreads(n))} ${fragments(n, () => 'id')}`,
  'all spread, with the same fields': (n) => `${inUser(spreads(n))} ${fragments(n, () => 'id email role')}`,
  'all spread, with the same lists': (n) =>
    `${inUser(spreads(n))} ${fragments(n, () => 'subscriptions { id plan { id name } }')}`,
  'in a chain': (n) => `${inUser('...F0')} ${fragments(n, (index) => `id ...F${index + 1}`)}`,
  'in a chain below many fields': (n) =>
    `${inUser(many(n, (index) => `s${index}: subscriptions { id ...F0 }`))} ${fragments(n, (index) => `id ...F${index + 1}`, 'UserSubscription')}`,
  'in a cycle': (n) => `${inUser('...F0')} ${fragments(n, (index) => `id ...F${(index + 1) % n}`)}`,
  'in cycles of one': (n) => `${inUser('...F0')} ${fragments(n, (index) => `id ...F${index}`)}`,
  'that all spread all': (n) => `${inUser('...F0')} ${fragments(root(n), () => `id ${spreads(root(n))}`)}`,
  'that spread all later ones': (n) =>
    `${inUser('...F0')} ${fragments(root(n), (index) => `id ${spreads(root(n) - index - 1, index + 1)}`)}`,
  'that contain themselves below a list': (n) =>
    `${inUser('...F0')} ${fragments(n, (index) => `a: viewer { ...F${index} } b: viewer { ...F${index + 1} }`)}`,
  'of many operations': (n) =>
    `${many(n, (index) => `query A${index} { viewer { ...F0 } }`)} ${fragments(n, (index) => `id ...F${index + 1}`)}`,
  'of many operations, with undefined variables': (n) =>
    `${many(n, (index) => `query A${index} { viewer { ...F0 } }`)} fragment F0 on User { devices(first: [${many(n, (index) => `$x${index}`)}]) { totalCount } }`,
  'of many operations, with variables': (n) =>
    `${many(n, (index) => `query A${index} ($x: Int) { viewer { ...F0 } }`)} fragment F0 on User { ${many(n, (index) => `a${index}: devices(first: $x) { totalCount }`)} }`,
};

const NAMES: Record<string, Shape> = {
  'unknown fields': (n) => inUser(many(n, (index) => `sessionz${index}`)),
  'unknown root fields': (n) => `{ ${many(n, (index) => `subscription${index}`)} }`,
  'long unknown fields': (n) => inUser(many(n, (index) => `${'deviceStatistics'.repeat(20)}${index}`)),
  'one long name': (n) => `{ ${'x'.repeat(10 * n)} }`,
  'unknown arguments': (n) => `{ orders(${many(n, (index) => `filteq${index}: 1`)}) { totalCount } }`,
  'an argument, repeated': (n) => `{ orders(${many(n, () => 'first: 1')}) { totalCount } }`,
  'missing arguments': (n) => `{ ${many(n, (index) => `a${index}: order { id }`)} }`,
  'missing selections': (n) => inUser(many(n, (index) => `a${index}: sessions`)),
  'selections of a scalar': (n) => inUser(many(n, (index) => `a${index}: id { x }`)),
  'unknown types': (n) => inUser(many(n, (index) => `... on UserSubscriptio${index} { id }`)),
  'unknown directives': (n) => inUser(`id ${many(n, (index) => `@skiq${index}`)}`),
  'a directive, repeated': (n) => inUser(`id ${many(n, () => '@skip(if: true)')}`),
  'unknown directives of the operation': (n) =>
    `query ${many(n, (index) => `@skiq${index}`)} { viewer { id } }`,
  'unknown arguments of a directive': (n) => inUser(`id @skip(${many(n, (index) => `iff${index}: true`)})`),
  operations: (n) => many(n, (index) => `query A${index} { viewer { id } }`),
  'operations with the same name': (n) => many(n, () => 'query A { viewer { id } }'),
  'operations without a name': (n) => many(n, () => '{ viewer { id } }'),
  'type definitions': (n) => many(n, (index) => `scalar A${index}`),
  aliases: (n) => inUser(many(n, (index) => `a${index}: id`)),
};

const VALUES: Record<string, Shape> = {
  'undefined variables': (n) => `{ ${many(n, (index) => `a${index}: plans(first: $v${index}) { id }`)} }`,
  'unused variables': (n) => `query (${many(n, (index) => `$v${index}: Int`)}) { viewer { id } }`,
  'variables of unknown types': (n) =>
    `query (${many(n, (index) => `$v${index}: CreateRedemptionCodesInputt${index}`)}) { viewer { id } }`,
  'a variable, declared repeatedly': (n) => `query (${many(n, () => '$v: Int')}) { viewer { id } }`,
  'a variable in wrong positions': (n) =>
    `query ($x: String) { ${many(n, (index) => `a${index}: orders(first: $x) { totalCount }`)} }`,
  'variables in wrong positions': (n) =>
    `query (${many(n, (index) => `$x${index}: String`)}) { ${many(n, (index) => `a${index}: orders(first: $x${index}) { totalCount }`)} }`,
  'unknown input fields': (n) =>
    `mutation { createPlan(input: {${many(n, (index) => `trafficLimi${index}: 1`)}}) { id } }`,
  'an input field, repeated': (n) => `mutation { createPlan(input: {${many(n, () => 'name: 1')}}) { id } }`,
  'nested lists': (n) => `{ orders(filter: ${'['.repeat(n)}${']'.repeat(n)}) { totalCount } }`,
  'nested objects': (n) => `{ orders(filter: ${'{a: '.repeat(n)}1${'}'.repeat(n)}) { totalCount } }`,
  'wrong entries of a list': (n) =>
    `mutation { createPlan(input: {nodeTags: [${many(n, () => '1')}]}) { id } }`,
  'unknown enum values': (n) =>
    `{ ${many(n, (index) => `a${index}: orders(filter: {status: FINISHEQ${index}}) { totalCount }`)} }`,
  'a long string': (n) => `{ orders(after: "${'x'.repeat(10 * n)}") { totalCount } }`,
  'a long string of escapes': (n) => `{ orders(after: "${'\\n'.repeat(5 * n)}") { totalCount } }`,
  'a block string': (n) => `{ orders(after: """${' \n'.repeat(n)}""") { totalCount } }`,
  'a long number': (n) => `{ orders(first: ${'9'.repeat(10 * n)}) { totalCount } }`,
  'long strings of a wrong type': (n) =>
    `{ ${many(20, (index) => `a${index}: orders(first: "${'Did you mean '.repeat(n)}") { totalCount }`)} }`,
  comments: (n) => `${inUser('id')} ${many(n, () => '#', '\n')}`,
};

/** Documents that are expensive to validate for their size. */
export const SHAPES: Record<string, Shape> = {
  ...OVERLAPS,
  ...Object.fromEntries(Object.entries(FRAGMENTS).map(([name, shape]) => [`fragments, ${name}`, shape])),
  ...NAMES,
  ...VALUES,
};

/** The largest document of this shape that `isAccepted` accepts. */
export function largest(shape: Shape, isAccepted: (document: string) => boolean): string {
  let [fits, exceeds] = [1, 2];
  while (isAccepted(shape(exceeds)) && exceeds < 100_000) [fits, exceeds] = [exceeds, 2 * exceeds];
  while (exceeds - fits > 1) {
    const middle = Math.floor((fits + exceeds) / 2);
    if (isAccepted(shape(middle))) fits = middle;
    else exceeds = middle;
  }
  return shape(fits);
}
