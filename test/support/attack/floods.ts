import { codesIn, openConnection, send } from './connection.ts';
import { force, ms, type Outcome, type Target } from './target.ts';

const many = (count: number, part: (index: number) => string) =>
  Array.from({ length: count }, (_, index) => part(index)).join(' ');
const chain = (length: number, part: (next: string) => string) =>
  many(length, (n) => `fragment F${n} on User { ${part(n < length - 1 ? `...F${n + 1}` : 'id')} }`);

/** Selections on User, used in queries and subscriptions. */
const OF_USER: Record<string, string> = {
  'aliases, 2,000': many(2_000, (n) => `a${n}: id`),
  'aliases of lists': many(60, (n) => `a${n}: devices(first: 100) { nodes { id } }`),
  'depth of 4,400': `${'subscriptions { plan { '.repeat(2_200)}id${' } }'.repeat(2_200)}`,
  'depth of 12': `devices { nodes { id } } ${'subscriptions { plan { '.repeat(6)}id${' } }'.repeat(6)}`,
  'duplicated fields, 10,000': many(10_000, () => 'id'),
  'duplicated lists': many(130, () => 'devices { nodes { id } }'),
  'directives, 3,000': `id ${'@skip(if: false)'.repeat(3_000)}`,
  'directives on many fields': many(120, () => 'id @skip(if: false)'),
  'pages in pages':
    'orders(first: 100) { nodes { subscription { plan { id } } } } devices(first: 100) { nodes { id } }'.repeat(
      9,
    ),
  'a string of 60 KB': `devices(after: "${'x'.repeat(60_000)}", first: 1, last: 1, before: 7) { nodes { id } }`,
  '30,000 opening brackets': `devices(first: ${'['.repeat(30_000)}`,
};

/** Selections on User with the fragments they need. */
const WITH_FRAGMENTS: Record<string, [string, string]> = {
  'a fragment that spreads itself': ['...F', 'fragment F on User { id ...F }'],
  'a cycle of fragments': [
    '...F0',
    `${chain(20, (next) => next)} fragment X on User { ...F0 }`.replace('{ id }', '{ ...F0 }'),
  ],
  'fragments that double at each level': ['...F0', chain(50, (next) => `${next} ${next}`)],
  'fragments with many spreads': ['...F0', chain(10, (next) => many(25, () => next))],
};

interface Flood {
  name: string;
  query: string;
  /** DEEP stands for JSON nested too deep for JSON.stringify. */
  variables?: Record<string, unknown> | typeof DEEP;
}

const DEEP = 'nested 20,000 levels deep';

function jsonOf(message: object): string {
  return JSON.stringify(message).replace(`"${DEEP}"`, `{"x":${'['.repeat(20_000)}${']'.repeat(20_000)}}`);
}

function floodsOf(kind: 'query' | 'subscription', root: string): Flood[] {
  const ofUser = Object.entries(OF_USER).map(([name, selection]) => ({
    name,
    query: `${kind} { ${root} { ${selection} } }`,
  }));
  const withFragments = Object.entries(WITH_FRAGMENTS).map(([name, [selection, rest]]) => ({
    name,
    query: `${kind} { ${root} { ${selection} } } ${rest}`,
  }));
  const variables = { x: Array(9_000).fill('x') };
  const query = `${kind} ($x: [Int!]) { ${root} { devices(first: 1, after: "x") { nodes { id } } } }`;
  return [
    ...ofUser,
    ...withFragments,
    { name: 'wrong variables, 9,000', query, variables },
    { name: 'variables nested 20,000 levels deep', query, variables: DEEP },
    { name: 'root fields of a mutation, 100', query: `mutation { ${many(100, (n) => `a${n}: logout`)} }` },
    {
      name: 'the same root field under 2,000 names',
      query: `${kind} { ${many(2_000, (n) => `a${n}: ${root} { id }`)} }`,
    },
  ];
}

const REJECTIONS = /^(OPERATION_TOO_COMPLEX|GRAPHQL_VALIDATION_FAILED|GRAPHQL_PARSE_FAILED|BAD_USER_INPUT)$/;

/**
 * Sends expensive documents, up to the body limit; all must be rejected quickly, before execution.
 */
export async function floods(target: Target, token: string): Promise<Outcome[]> {
  let connection = await openConnection(target.url, token);
  const overHttp = (flood: Flood) => send(target.url, jsonOf(flood), { authorization: `Bearer ${token}` });
  let id = 0;
  const overSocket = async (payload: Flood) => {
    if (connection.socket.readyState !== connection.socket.OPEN)
      connection = await openConnection(target.url, token);
    return connection.ask(jsonOf({ id: String(++id), type: 'subscribe', payload }));
  };
  const outcomes = [
    await flood('floods over HTTP', floodsOf('query', 'viewer'), overHttp),
    await flood('floods over a websocket', floodsOf('subscription', 'viewerChanged'), overSocket),
  ];
  connection.close();
  return outcomes;
}

async function flood(
  attack: string,
  all: Flood[],
  ask: (flood: Flood) => Promise<{ text: string; tookMs: number }>,
): Promise<Outcome> {
  const allowed: string[] = [];
  let slowest = { name: '', tookMs: 0 };
  for (const { name, ...request } of all) {
    const times: number[] = [];
    for (let time = 0; time < force.floods; time++) {
      const { text, tookMs } = await ask({ name, ...request });
      times.push(tookMs);
      const codes = codesIn(text);
      const isRejected =
        codes.length > 0 && codes.every((code) => REJECTIONS.test(code)) && !/"data":\{/.test(text);
      if (!isRejected) allowed.push(`${name}: ${text.slice(0, 120)}`);
    }
    // The minimum of several tries excludes interference from other processes.
    const tookMs = Math.min(...times);
    if (tookMs > slowest.tookMs) slowest = { name, tookMs };
  }
  return {
    attack,
    figure: `${all.length} kinds, ${allowed.length} accepted ${allowed.slice(0, 2).join(' ')}, slowest ${ms(slowest.tookMs)} (${slowest.name})`,
    bound: 'all rejected before execution, each within 50 ms',
    ok: allowed.length === 0 && slowest.tookMs <= 50 * force.slack,
  };
}
