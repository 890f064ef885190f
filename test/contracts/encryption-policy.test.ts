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

interface Asked {
  body: object;
  token?: string | undefined;
}

/** What may come in clear from nobody while devices must encrypt. */
const OF_DEVICES: Record<string, () => Asked> = {
  'a challenge': () => ({
    body: { query: 'mutation { deviceChallenge(identifier: "some device") { nonce } }' },
  }),
  'a login of a device': () => ({ body: { query: DEVICE_LOGIN, variables: { input: newDevice() } } }),
  'one in a fragment': () => ({
    body: {
      query: `mutation ($input: DeviceLoginInput!) { ...login }
        fragment login on Mutation { ... on Mutation { deviceLogin(input: $input) { accessToken } } }`,
      variables: { input: newDevice() },
    },
  }),
  'one under another name, that is skipped perhaps': () => ({
    body: {
      query: `mutation ($input: DeviceLoginInput!, $skip: Boolean!) {
        plans: deviceLogin(input: $input) @skip(if: $skip) { accessToken } }`,
      variables: { input: newDevice(), skip: true },
    },
  }),
  'one among other operations': () => ({
    body: {
      query: `query Public { plans { id } } ${DEVICE_LOGIN.replace('mutation', 'mutation Login')}`,
      operationName: 'Login',
      variables: { input: newDevice() },
    },
  }),
  'one with variables that do not fit': () => ({
    body: { query: DEVICE_LOGIN, variables: { input: { secret: 'a secret that must not come back' } } },
  }),
  'a login by e-mail with a device': () => ({
    body: { query: LOGIN, variables: { input: { ...credentials(), device: newDevice() } } },
  }),
  'one whose device is a variable of its own': () => ({
    body: {
      query: `mutation ($device: DeviceLoginInput) {
        login(input: { email: "a@example.test", password: "x", device: $device }) { accessToken } }`,
      variables: { device: newDevice() },
    },
  }),
  'a registration with a device': () => ({
    body: { query: REGISTER, variables: { input: { ...newcomer(), device: newDevice() } } },
  }),
  'a decision about a device': () => ({ body: { query: '{ pendingBinding(token: "x") { deviceLimit } }' } }),
  'the next tokens of a device': () => ({
    body: { query: REFRESH, variables: { token: device.refreshToken } },
  }),
  'a query of a device': () => ({ body: { query: '{ viewer { id } }' }, token: device.token }),
  'a public query of a device': () => ({ body: { query: '{ plans { id } }' }, token: device.token }),
  'no valid document of a device': () => ({ body: { query: '{ nothing }' }, token: device.token }),
};

/** What nobody is asked to encrypt. */
const OF_OTHERS: Record<string, () => Asked> = {
  'a public query': () => ({ body: { query: '{ plans { id } }' } }),
  'a public query beside a login that is not asked for': () => ({
    body: {
      query: `query Public { plans { id } } ${DEVICE_LOGIN.replace('mutation', 'mutation Login')}`,
      operationName: 'Public',
    },
  }),
  'a login by e-mail': () => ({ body: { query: LOGIN, variables: { input: credentials() } } }),
  'one without a device': () => ({
    body: { query: LOGIN, variables: { input: { ...credentials(), device: null } } },
  }),
  'a registration': () => ({ body: { query: REGISTER, variables: { input: newcomer() } } }),
  'the next tokens of a login by e-mail': () => ({
    body: { query: REFRESH, variables: { token: admin.refreshToken } },
  }),
  'a query of an admin': () => ({ body: { query: '{ viewer { id } }' }, token: admin.token }),
  'a query of an agent': () => ({ body: { query: '{ plans { id } }' }, token: agent.token }),
};

const send = ({ body, token }: Asked) => post<object>(api.url, body, token);
const codeOf = async (asked: Asked) => (await send(asked)).errors?.[0]?.extensions.code;

describe('the fields of devices', () => {
  it('are fields of the schema', async () => {
    const names = [...rootFields(await createSchema()).keys()].map((name) => name.split('.')[1]);

    expect(Object.keys(DEVICE_ROOT_FIELDS).filter((name) => !names.includes(name))).toEqual([]);
  });
});

describe.sequential('while devices must encrypt', () => {
  it('without a key everything of theirs is refused with the reason, on both transports', async () => {
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

  it('what is theirs is refused in clear, byte for byte alike, and nothing runs', async () => {
    await newTransportKey(api.services);
    const before = await fingerprint(api.services.db);
    const bodies = new Set<string>();

    for (const [name, ask] of Object.entries(OF_DEVICES)) {
      const { status, headers, ...body } = await send(ask());
      const id = headers.get('x-request-id') ?? '';
      bodies.add(JSON.stringify(body).replace(id, ''));
      expect({ name, status, type: headers.get('content-type') }).toEqual({
        name,
        status: 400,
        type: 'application/json; charset=utf-8',
      });
    }

    expect([...bodies]).toEqual([expect.stringContaining('"INVALID_CIPHERTEXT"')]);
    expect(await fingerprint(api.services.db)).toBe(before);
  });

  it('nobody else notices', async () => {
    for (const [name, ask] of Object.entries(OF_OTHERS)) {
      expect([name, (await send(ask())).errors]).toEqual([name, undefined]);
    }
  });

  it('a websocket of a device in clear is closed, and that of nobody else', async () => {
    await expect(device.subscribe(VIEWER).next()).rejects.toMatchObject({
      code: 4400,
      reason: 'INVALID_CIPHERTEXT',
    });
    const { value } = await admin.subscribe(VIEWER).next();
    expect(value?.data).toMatchObject({ viewerChanged: { id: admin.userId } });
  });

  it('is over at once when it is switched off', async () => {
    await requireEncryption(api.services, false);

    for (const [name, ask] of Object.entries(OF_DEVICES)) {
      expect([name, await codeOf(ask())]).not.toEqual([name, 'INVALID_CIPHERTEXT']);
    }
  });
});

describe('a websocket of a device that was open in clear', () => {
  it('is closed within two seconds when devices must encrypt', async () => {
    const user = await api.newUser();
    const changes = user.subscribe(VIEWER);
    await changes.next();

    await requireEncryption(api.services);

    await expect(changes.next()).rejects.toMatchObject({ code: 4400, reason: 'INVALID_CIPHERTEXT' });
  });
});

const VIEWER = 'subscription { viewerChanged { id } }' as never;
