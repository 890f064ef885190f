import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { DEVICE_ROOT_FIELDS } from '../../src/http/encryption-policy.ts';
import { rootFields } from '../../src/platform/graphql/policy.ts';
import { createSchema } from '../../src/schema.ts';
import { newSecret, startTestApi, type TestApi, type TestUser } from '../support/api.ts';
import { type Client, post } from '../support/client.ts';
import { fingerprint } from '../support/fingerprint.ts';
import { createSealedClient, newTransportKey, requireEncryption } from '../support/sealed-client.ts';

let api: TestApi;
let device: TestUser;
let admin: TestUser;
let agent: Client;
beforeAll(async () => {
  api = await startTestApi();
  [device, admin, agent] = await Promise.all([api.newUser(), api.newAdmin(), api.newAgent()]);
});
afterAll(() => api?.close());

const newDevice = () => ({ identifier: randomUUID(), secret: newSecret() });
const credentials = () => ({ email: admin.identifier, password: admin.secret });
const newcomer = () => ({ email: `${randomUUID()}@example.test`, password: 'correct horse battery staple' });

const LOGIN = 'mutation ($input: LoginInput!) { login(input: $input) { accessToken } }';
const REGISTER = 'mutation ($input: RegisterInput!) { register(input: $input) { accessToken } }';
const DEVICE_LOGIN = 'mutation ($input: DeviceLoginInput!) { deviceLogin(input: $input) { accessToken } }';
const REFRESH = 'mutation ($token: String!) { refreshSession(refreshToken: $token) { accessToken } }';

interface Operation {
  body: object;
  token?: string | undefined;
}

/** Operations that are refused in plaintext while devices must encrypt. */
const OF_DEVICES: Record<string, () => Operation> = {
  'a challenge': () => ({
    body: { query: 'mutation { deviceChallenge(identifier: "some device") { nonce } }' },
  }),
  'a device login': () => ({ body: { query: DEVICE_LOGIN, variables: { input: newDevice() } } }),
  'a device login in a fragment': () => ({
    body: {
      query: `mutation ($input: DeviceLoginInput!) { ...login }
        fragment login on Mutation { ... on Mutation { deviceLogin(input: $input) { accessToken } } }`,
      variables: { input: newDevice() },
    },
  }),
  'an aliased device login with @skip': () => ({
    body: {
      query: `mutation ($input: DeviceLoginInput!, $skip: Boolean!) {
        plans: deviceLogin(input: $input) @skip(if: $skip) { accessToken } }`,
      variables: { input: newDevice(), skip: true },
    },
  }),
  'a device login in a document with several operations': () => ({
    body: {
      query: `query Public { plans { id } } ${DEVICE_LOGIN.replace('mutation', 'mutation Login')}`,
      operationName: 'Login',
      variables: { input: newDevice() },
    },
  }),
  'a device login with invalid variables': () => ({
    body: { query: DEVICE_LOGIN, variables: { input: { secret: 'a secret that must not come back' } } },
  }),
  'a login by e-mail with a device': () => ({
    body: { query: LOGIN, variables: { input: { ...credentials(), device: newDevice() } } },
  }),
  'a login whose device is a variable': () => ({
    body: {
      query: `mutation ($device: DeviceLoginInput) {
        login(input: { email: "a@example.test", password: "x", device: $device }) { accessToken } }`,
      variables: { device: newDevice() },
    },
  }),
  'a registration with a device': () => ({
    body: { query: REGISTER, variables: { input: { ...newcomer(), device: newDevice() } } },
  }),
  'the decision about a pending binding': () => ({
    body: { query: '{ pendingBinding(token: "x") { deviceLimit } }' },
  }),
  'a token refresh of a device session': () => ({
    body: { query: REFRESH, variables: { token: device.refreshToken } },
  }),
  'a query of a device': () => ({ body: { query: '{ viewer { id } }' }, token: device.token }),
  'a public query of a device': () => ({ body: { query: '{ plans { id } }' }, token: device.token }),
  'an invalid document of a device': () => ({ body: { query: '{ nothing }' }, token: device.token }),
};

/** Operations that are always allowed in plaintext. */
const OF_OTHERS: Record<string, () => Operation> = {
  'a public query': () => ({ body: { query: '{ plans { id } }' } }),
  'a public query in a document that also has a device login': () => ({
    body: {
      query: `query Public { plans { id } } ${DEVICE_LOGIN.replace('mutation', 'mutation Login')}`,
      operationName: 'Public',
    },
  }),
  'a login by e-mail': () => ({ body: { query: LOGIN, variables: { input: credentials() } } }),
  'a login whose device is null': () => ({
    body: { query: LOGIN, variables: { input: { ...credentials(), device: null } } },
  }),
  'a registration': () => ({ body: { query: REGISTER, variables: { input: newcomer() } } }),
  'a token refresh of an e-mail session': () => ({
    body: { query: REFRESH, variables: { token: admin.refreshToken } },
  }),
  'a query of an admin': () => ({ body: { query: '{ viewer { id } }' }, token: admin.token }),
  'a query of an agent': () => ({ body: { query: '{ plans { id } }' }, token: agent.token }),
};

const send = ({ body, token }: Operation) => post<object>(api.url, body, token);
const codeOf = async (operation: Operation) => (await send(operation)).errors?.[0]?.extensions.code;

describe('DEVICE_ROOT_FIELDS', () => {
  it('contains only fields of the schema', async () => {
    const names = [...rootFields(await createSchema()).keys()].map((name) => name.split('.')[1]);

    expect(Object.keys(DEVICE_ROOT_FIELDS).filter((name) => !names.includes(name))).toEqual([]);
  });
});

describe.sequential('while devices must encrypt', () => {
  it('refuses their operations and sockets with SECRET_IS_EMPTY if there is no key', async () => {
    await requireEncryption(api.services);

    for (const [name, ask] of Object.entries(OF_DEVICES)) {
      expect([name, await codeOf(ask())]).toEqual([name, 'SECRET_IS_EMPTY']);
    }
    await expect(device.subscribe(VIEWER).next()).rejects.toMatchObject({
      code: 4400,
      reason: 'SECRET_IS_EMPTY',
    });
    await expect(createSealedClient(api.url).get(VIEWER as never)).rejects.toThrow('no transport key');
  });

  it('refuses their plaintext operations with identical responses, and executes nothing', async () => {
    await newTransportKey(api.services);
    const before = await fingerprint(api.services.db);
    const bodies = new Set<string>();

    for (const [name, ask] of Object.entries(OF_DEVICES)) {
      const { status, headers, ...body } = await send(ask());
      const id = headers.get('x-request-id') ?? '';
      bodies.add(
        JSON.stringify(body)
          .replace(id, '')
          .replace(/"serverTime":"[^"]+"/, ''),
      );
      expect({ name, status, type: headers.get('content-type') }).toEqual({
        name,
        status: 400,
        type: 'application/json; charset=utf-8',
      });
    }

    expect([...bodies]).toEqual([expect.stringContaining('"INVALID_CIPHERTEXT"')]);
    expect(await fingerprint(api.services.db)).toBe(before);
  });

  it('allows the plaintext operations of all other callers', async () => {
    for (const [name, ask] of Object.entries(OF_OTHERS)) {
      expect([name, (await send(ask())).errors]).toEqual([name, undefined]);
    }
  });

  it('closes plaintext websockets of devices, but not of other callers', async () => {
    await expect(device.subscribe(VIEWER).next()).rejects.toMatchObject({
      code: 4400,
      reason: 'INVALID_CIPHERTEXT',
    });
    const { value } = await admin.subscribe(VIEWER).next();
    expect(value?.data).toMatchObject({ viewerChanged: { id: admin.userId } });
  });

  it('allows plaintext again as soon as the setting is disabled', async () => {
    await requireEncryption(api.services, false);

    for (const [name, ask] of Object.entries(OF_DEVICES)) {
      expect([name, await codeOf(ask())]).not.toEqual([name, 'INVALID_CIPHERTEXT']);
    }
  });
});

describe('an open plaintext websocket of a device', () => {
  it('is closed within two seconds when encryption becomes required', async () => {
    const user = await api.newUser();
    const changes = user.subscribe(VIEWER);
    await changes.next();

    await requireEncryption(api.services);

    await expect(changes.next()).rejects.toMatchObject({ code: 4400, reason: 'INVALID_CIPHERTEXT' });
  });
});

const VIEWER = 'subscription { viewerChanged { id } }' as never;
