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

/**
 * Builds a selection of all fields of a type, including every member of unions, down to `depth`.
 */
function everythingOf(type: GraphQLNamedType, depth: number): string {
  if (isUnionType(type))
    return `{ __typename ${type
      .getTypes()
      .map((member) => `... on ${member.name} ${everythingOf(member, depth)}`)
      .join(' ')} }`;
  if (!isObjectType(type)) return '';
  const fields = Object.values(type.getFields()).flatMap((field) => {
    const inner = getNamedType(field.type);
    const isLeaf = !isObjectType(inner) && !isUnionType(inner);
    const page = field.args.some(({ name }) => name === 'first') ? '(first: 1)' : '';
    return isLeaf || depth > 0 ? [`${field.name}${page} ${everythingOf(inner, depth - 1)}`] : [];
  });
  return `{ ${fields.join(' ')} }`;
}

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

    // One query for each field: together they cost more than one operation may.
    const answers = await Promise.all(
      Object.values(type.getFields()).map(({ name, type: inner }) => {
        const selection = everythingOf(getNamedType(inner), name === 'user' ? 1 : 2);
        return post(api.url, { query: `{ viewer { subscriptions { ${name} ${selection} } } }` }, user.token);
      }),
    );

    expect(answers.flatMap(({ errors }) => errors ?? [])).toEqual([]);
    const text = JSON.stringify(answers.map(({ data }) => data));
    expect(text).toContain('"clientConfig":{"__typename"');
    for (const secret of [CANARY, serverConfig?.privateKey]) {
      if (secret) expect(text).not.toContain(JSON.stringify(secret).slice(1, -1));
    }
  });
});
