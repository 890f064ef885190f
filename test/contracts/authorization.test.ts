import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { buildSchema, isObjectType, parse, validate } from 'graphql';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkPolicy } from '../../src/modules/kernel/access.ts';
import { enforcePolicies, policyOf, rootFields } from '../../src/platform/graphql/policy.ts';
import { createSchema } from '../../src/schema.ts';
import { TypedDocumentString } from '../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { type Client, type ClientError, post } from '../support/client.ts';
import * as build from '../support/factories.ts';
import { fingerprint } from '../support/fingerprint.ts';
import { fill, operationOf } from '../support/operation-of.ts';
import { REACHED_BY_AGENTS, REACHED_BY_USERS, READ_BY_ADMINS } from '../support/reach.ts';
import { createSealedClient, newTransportKey } from '../support/sealed-client.ts';
import { typesBehind } from '../support/ways.ts';
import { CALLERS, type Caller, type Outcome, PERMISSIONS, type Permission } from './permissions.ts';

const contract = buildSchema(readFileSync(new URL('contract.graphql', import.meta.url), 'utf8'));
const schema = await createSchema();
const built = [...rootFields(schema).keys()];

let api: TestApi;

beforeAll(async () => {
  api = await startTestApi();
  await newTransportKey(api.services);
});

afterAll(() => api?.close());

describe('PERMISSIONS', () => {
  it('has a row for every root field', () => {
    expect(built.filter((name) => !(name in PERMISSIONS))).toEqual([]);
  });

  it('has only selections that are valid against the contract', () => {
    const unknown = Object.entries(PERMISSIONS).filter(([name]) => !built.includes(name));
    const faults = unknown.flatMap(([name, { selection: ask }]) =>
      validate(contract, parse(operationOf(name, fill(ask, {})))).map(({ message }) => `${name}: ${message}`),
    );

    expect(faults).toEqual([]);
  });
});

describe('a root field', () => {
  it.for(built)('%s has the expected outcome for each kind of caller', async (name) => {
    const permission = PERMISSIONS[name];
    if (!permission) throw new Error(`${name} has no row in permissions.ts`);

    expect(await outcomes(name, permission)).toEqual(permission.expected);
  });

  it.for(built)('%s has the same outcomes for encrypted requests', async (name) => {
    const permission = PERMISSIONS[name];
    if (!permission) throw new Error(`${name} has no row in permissions.ts`);
    const sealed = ({ token }: Client) => createSealedClient(api.url, token);

    expect(await outcomes(name, permission, sealed)).toEqual(permission.expected);
  });

  it.for(hidingRows())('%s returns the same error for foreign objects and missing ones', async (name) => {
    const { selection: ask, given } = PERMISSIONS[name] as Permission;
    const world = await createWorld(given);
    const stranger = await world.as('other');
    const missing = Object.fromEntries(Object.keys(world.things).map((key) => [key, randomUUID()]));
    const malformed = Object.fromEntries(Object.keys(world.things).map((key) => [key, 'no id at all']));

    const foreign = await wire(stranger, operationOf(name, fill(ask, world.things)));

    expect(await wire(stranger, operationOf(name, fill(ask, missing)))).toBe(foreign);
    expect(await wire(stranger, operationOf(name, fill(ask, malformed)))).toBe(foreign);
  });

  it('without a policy prevents the start', async () => {
    const schema = await createSchema();
    const { viewer } = schema.getQueryType()?.getFields() ?? {};
    if (!viewer) throw new Error('there is no Query.viewer');
    viewer.extensions = {};

    expect(() => enforcePolicies(schema, checkPolicy)).toThrow(
      'These root fields have no policy: Query.viewer',
    );
  });

  it('with an unknown policy is closed to all callers', () => {
    const caller = { kind: 'user', userId: '', role: 'ADMIN', sessionId: '', deviceId: null } as const;

    expect(() => checkPolicy('TYPO', { caller })).toThrow(expect.objectContaining({ code: 'FORBIDDEN' }));
  });
});

describe('a type', () => {
  const behind = (...policies: string[]) => {
    const fields = [...rootFields(schema).values()].filter((field) =>
      policies.includes(policyOf(field) ?? ''),
    );
    return [...typesBehind(fields)].filter((name) => !/(Connection|Edge)$/.test(name)).sort();
  };
  const isBuilt = (name: string) => schema.getType(name) !== undefined;

  it('for admins only is not reachable from fields of other callers', () => {
    expect(behind('PUBLIC', 'SIGNED_IN')).toEqual(REACHED_BY_USERS.filter(isBuilt));
    expect(behind('AGENT')).toEqual(REACHED_BY_AGENTS.filter(isBuilt));
  });

  it.for(Object.entries(READ_BY_ADMINS).filter(([name]) => isBuiltField(name)))(
    'for users has an admin-only field: %s',
    async ([, ask]) => {
      const { db } = api.services;
      const [user, admin] = [await api.newUser(), await api.newAdmin()];
      const { id, planId } = await build.buildOrder(db, { userId: user.userId, status: 'FINISHED' });
      await build.buildPlanNode(db, { planId });
      const valueFor = async (client: Client) => {
        const answer = await post<{ order: { value: unknown } }>(
          api.url,
          { query: `{ ${fill(ask, { id })} }` },
          client.token,
        );
        expect(answer.errors).toBeUndefined();
        return answer.data?.order.value;
      };

      expect(await valueFor(user)).toBeNull();
      expect(await valueFor(admin)).not.toBeNull();
    },
  );
});

function isBuiltField(name: string): boolean {
  const [type = '', field = ''] = name.split('.');
  const found = schema.getType(type);
  return isObjectType(found) && field in found.getFields();
}

/** Fields that return NOT_FOUND for objects of other users. */
function hidingRows(): string[] {
  return built.filter(
    (name) => !name.startsWith('Subscription') && PERMISSIONS[name]?.expected.other === 'NOT_FOUND',
  );
}

interface World {
  things: Record<string, string>;
  as: (caller: Caller) => Promise<Client>;
}

async function createWorld(given: Permission['given']): Promise<World> {
  const { db } = api.services;
  const user = await api.newUser();
  const people = new Map<Caller, Client>([
    ['anonymous', api.anonymous],
    ['user', user],
  ]);
  return {
    things: (await given?.(db, user.userId)) ?? {},
    as: async (caller) => {
      const person = people.get(caller) ?? (await newcomer(caller));
      people.set(caller, person);
      return person;
    },
  };
}

async function newcomer(caller: Caller): Promise<Client> {
  if (caller === 'agent') return api.newAgent();
  // Sessions of devices never have the role ADMIN.
  if (caller === 'admin') return api.newAdmin();
  const person: TestUser = await api.newUser();
  const where = { id: person.userId };
  if (caller === 'disabled') await api.services.db.user.update({ where, data: { enabled: false } });
  return person;
}

/**
 * Sends the operation as each kind of caller. Creates new objects for each, because mutations
 * change them.
 *
 * @param through the client to send with
 */
async function outcomes(
  name: string,
  { selection: ask, given, expected }: Permission,
  through: (client: Client) => Client = (client) => client,
): Promise<Record<string, Outcome>> {
  const found: Record<string, Outcome> = {};
  let world = await createWorld(given);
  for (const caller of CALLERS) {
    const client = through(await world.as(caller));
    found[caller] = await outcomeUnchanged(client, name, fill(ask, world.things));
    if (name.startsWith('Mutation') && expected[caller] === 'ok') world = await createWorld(given);
  }
  return found;
}

/** Checks that an operation that was refused has changed no row. */
async function outcomeUnchanged(client: Client, name: string, field: string): Promise<Outcome> {
  const before = name.startsWith('Mutation') ? await fingerprint(api.services.db) : '';
  const outcome = await outcomeOf(client, name, field);
  const isRefused = /^(UNAUTHENTICATED|FORBIDDEN|NOT_FOUND)$/.test(outcome);
  if (before && isRefused && before !== (await fingerprint(api.services.db)))
    return `${outcome}, but something was changed`;
  return outcome;
}

async function outcomeOf(client: Client, name: string, field: string): Promise<Outcome> {
  const operation = new TypedDocumentString<Record<string, unknown>, Record<string, never>>(
    operationOf(name, field),
  );
  if (name.startsWith('Subscription')) return firstMessage(client, operation);
  const { data, errors } = await client.ask(operation);
  return judge(data, errors);
}

async function firstMessage(
  client: Client,
  operation: TypedDocumentString<Record<string, unknown>, Record<string, never>>,
): Promise<Outcome> {
  const messages = client.subscribe(operation);
  try {
    const { value } = await messages.next();
    return judge(value?.data, value?.errors);
  } catch (error) {
    return Array.isArray(error) ? judge(null, error) : String((error as CloseEvent).reason);
  } finally {
    await messages.return?.();
  }
}

type CloseEvent = { reason?: string };

function judge(
  data: Record<string, unknown> | null | undefined,
  errors: readonly ClientError[] | undefined,
): Outcome {
  if (errors) return errors.map(({ extensions }) => extensions.code).join();
  return Object.values(data ?? {}).every((value) => value === null) ? 'null' : 'ok';
}

/** Returns the response without its request id. */
async function wire(client: Client, query: string): Promise<string> {
  const response = await fetch(`${api.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${client.token}` },
    body: JSON.stringify({ query }),
  });
  const text = await response.text();
  return `${response.status} ${text.replace(/"requestId":"[^"]+"/, '"requestId":""').replace(/,"locations":\[[^\]]*\]/, '')}`;
}
