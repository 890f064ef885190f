import {
  type GraphQLNamedType,
  type GraphQLObjectType,
  getNamedType,
  isObjectType,
  isUnionType,
} from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { policyOf, rootFields } from '../../src/platform/graphql/policy.ts';
import { createSchema } from '../../src/schema.ts';
import { startTestApi, type TestApi } from '../support/api.ts';
import { post } from '../support/client.ts';
import * as build from '../support/factories.ts';
import { CANARY, GOOD } from '../support/node-configs.ts';

const schema = await createSchema();
let api: TestApi;
beforeAll(async () => {
  api = await startTestApi();
});
afterAll(() => api?.close());

/** Collects the types that are reachable from the given ones. */
function reachable(types: Iterable<GraphQLNamedType>): Set<GraphQLNamedType> {
  const found = new Set<GraphQLNamedType>();
  const visit = (type: GraphQLNamedType) => {
    if (found.has(type)) return;
    found.add(type);
    if (isUnionType(type)) type.getTypes().forEach(visit);
    if (isObjectType(type))
      for (const field of Object.values(type.getFields())) visit(getNamedType(field.type));
  };
  for (const type of types) visit(type);
  return found;
}

const FOR_USERS = new Set(['PUBLIC', 'SIGNED_IN']);
const ofUsers = reachable(
  [...rootFields(schema).values()]
    .filter((field) => FOR_USERS.has(policyOf(field) ?? ''))
    .map((field) => getNamedType(field.type)),
);

const isComposite = (type: GraphQLNamedType) => isObjectType(type) || isUnionType(type);

/**
 * Builds selections that together contain all fields of a type down to `depth`, including those of
 * every member of unions. Each follows one path and selects all scalar fields at its end: all of
 * them in one operation would exceed its limits.
 *
 * @param visited gets the names of the types whose fields are selected
 */
function everythingOf(type: GraphQLNamedType, depth: number, visited: Set<string>): string[] {
  if (isUnionType(type)) {
    return type
      .getTypes()
      .flatMap((member) =>
        everythingOf(member, depth, visited).map((inner) => `{ ... on ${member.name} ${inner} }`),
      );
  }
  if (!isObjectType(type)) return [];
  visited.add(type.name);
  const fields = Object.values(type.getFields());
  const scalars = fields.filter((field) => !isComposite(getNamedType(field.type)));
  const deeper = depth === 0 ? [] : fields.filter((field) => isComposite(getNamedType(field.type)));
  return [
    `{ __typename ${scalars.map(({ name }) => name).join(' ')} }`,
    ...deeper.flatMap((field) => {
      const page = field.args.some(({ name }) => name === 'first') ? '(first: 1)' : '';
      const selections = everythingOf(getNamedType(field.type), depth - 1, visited);
      return selections.map((inner) => `{ ${field.name}${page} ${inner} }`);
    }),
  ];
}

/** Deep enough for every type: `user { devices { nodes { … } } }`, and the way back. */
const DEPTH = 4;

describe('the server-side configuration of nodes', () => {
  it('is not in any type that users can reach', () => {
    const names = [...ofUsers].map(({ name }) => name);

    expect(names).toContain('SubscriptionNode');
    expect(names.filter((name) => /^(Node|Server)(Config|Connection|Edge)?$/.test(name))).toEqual([]);
  });

  it('exposes none of its field names in the types that users can reach', () => {
    const forbidden = /^(serverConfig|privateKey|shortIds|certificate|destination|listen|masquerade)$/;
    const fields = [...ofUsers].filter(isObjectType).flatMap((type: GraphQLObjectType) =>
      Object.keys(type.getFields())
        .filter((name) => forbidden.test(name))
        .map((name) => `${type.name}.${name}`),
    );

    expect(fields).toEqual([]);
  });

  it('is not readable by admins', () => {
    const { serverConfig } = (schema.getType('Node') as GraphQLObjectType).getFields();

    expect(serverConfig).toBeUndefined();
  });

  it.each(GOOD)('does not appear in any field of a subscription: $name', async (example) => {
    const { db } = api.services;
    const { protocol, clientConfig, serverConfig } = example;
    const user = await api.newUser();
    const tag = build.unique('tag');
    const { id: planId } = await build.buildPlan(db, { nodeTags: [tag] });
    await build.buildSubscription(db, { userId: user.userId, planId });
    const config = {
      clientConfig: clientConfig as object,
      serverConfig: { ...serverConfig, hidden: CANARY },
    };
    await build.buildNode(db, { tags: [tag], protocol, ...config });
    const type = schema.getType('UserSubscription') as GraphQLObjectType;
    const visited = new Set<string>();
    const selections = everythingOf(type, DEPTH, visited);

    const answers = await Promise.all(
      selections.map((inner) =>
        post(api.url, { query: `{ viewer { subscriptions ${inner} } }` }, user.token),
      ),
    );

    expect(visited).toEqual(new Set([...reachable([type])].filter(isObjectType).map(({ name }) => name)));
    // No client can read the nodes of all subscriptions of each subscription: they cost too much.
    const refused = selections.filter((_, place) => answers[place]?.errors);
    expect(refused.filter((inner) => !/^{ user { subscriptions { (nodes|plan|user) /.test(inner))).toEqual(
      [],
    );
    const codes = answers.flatMap(({ errors = [] }) => errors.map(({ extensions }) => extensions.code));
    expect(new Set(codes)).toEqual(new Set(['OPERATION_TOO_COMPLEX']));
    const text = JSON.stringify(answers.map(({ data }) => data));
    expect(text).toContain('"clientConfig":{"__typename"');
    for (const secret of [CANARY, serverConfig?.privateKey]) {
      if (secret) expect(text).not.toContain(JSON.stringify(secret).slice(1, -1));
    }
  });
});
