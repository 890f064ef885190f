import { randomInt, randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import {
  createSessionReads,
  findSession,
  type SessionReads,
} from '../../../../src/modules/identity/session/find-session.ts';
import { logInDevice } from '../../../../src/modules/lifecycle/login/log-in-device.ts';
import { inRequestScope } from '../../../../src/platform/request-scope.ts';
import { required } from '../../../../src/platform/required.ts';
import { DeviceLoginDocument, ViewerDocument } from '../../../generated/graphql.ts';
import { newSecret, startTestApi, type TestApi } from '../../../support/api.ts';
import { newKey, prove } from '../../../support/prove.ts';
import { createTestServices, type TestServices } from '../../../support/services.ts';

type Input = Parameters<typeof logInDevice>[1];

let api: TestApi;
let services: TestServices & SessionReads;
beforeAll(async () => {
  api = await startTestApi();
  services = { ...api.services, ...createSessionReads(api.services) };
});
afterAll(() => api.close());
afterEach(() => site({ deviceLoginProof: 'REQUIRED', registrationEnabled: true }));

const site = (data: { deviceLoginProof?: 'REQUIRED' | 'OPTIONAL'; registrationEnabled?: boolean }) =>
  services.db.siteSettings.update({ where: { id: 1 }, data });
const newIdentifier = () => `device-${randomUUID()}`;
const logIn = (input: Input) => logInDevice(services, input);
const newDevice = async (fields: Partial<Input> = {}) => {
  const device = { identifier: newIdentifier(), secret: newSecret() };
  return { ...device, login: await logIn({ ...device, ...fields }) };
};
const counts = async (db = services.db) =>
  Promise.all([db.user.count(), db.identity.count(), db.device.count(), db.session.count()]);

describe('logInDevice', () => {
  it('creates an account for an unknown device', async () => {
    const input = { identifier: newIdentifier(), secret: newSecret() };

    const { deviceLogin } = await api.anonymous.get(DeviceLoginDocument, {
      input: { ...input, shortCode: 'AB-12', name: 'Phone', platform: 'Android 16', appVersion: '1.2.3' },
    });

    const { viewer } = await api.anonymous.as(deviceLogin.accessToken).get(ViewerDocument);
    expect(deviceLogin.device).toMatchObject({
      shortCode: 'AB-12',
      name: 'Phone',
      platform: 'Android 16',
      appVersion: '1.2.3',
    });
    expect(viewer).toMatchObject({
      id: deviceLogin.user.id,
      role: 'USER',
      email: null,
      enabled: true,
      subscriptions: [],
      devices: { totalCount: 1, nodes: [{ id: deviceLogin.device?.id, current: true }] },
      sessions: { nodes: [{ current: true, device: { id: deviceLogin.device?.id } }] },
    });
  });

  it('records the address and user agent of the connection', async () => {
    const input = { identifier: newIdentifier(), secret: newSecret() };

    const { deviceLogin } = await api.anonymous.get(DeviceLoginDocument, { input });

    const seen = { ip: '127.0.0.1', userAgent: 'node' };
    const { id } = deviceLogin.device ?? { id: '' };
    expect(await services.db.device.findUnique({ where: { id } })).toMatchObject(seen);
    expect(await services.db.session.findFirst({ where: { deviceId: id } })).toMatchObject(seen);
  });

  it('stores only a hash of the secret', async () => {
    const { login, secret } = await newDevice();

    const [row] = await services.db.$queryRaw<{ text: string }[]>`
      SELECT row_to_json(d)::text AS text FROM devices d WHERE id = ${login.device?.id}::uuid`;

    expect(row?.text).toContain('secret_hash');
    expect(row?.text).not.toContain(secret);
    expect(row?.text).not.toContain(Buffer.from(secret).toString('hex'));
  });

  it('returns the same account when a first login is retried after a lost response', async () => {
    const { login, ...device } = await newDevice();

    const again = await logIn(device);

    expect([again.user.id, again.device?.id]).toEqual([login.user.id, login.device?.id]);
  });

  it('creates one account for a hundred concurrent first logins, which all succeed', async () => {
    const device = { identifier: newIdentifier(), secret: newSecret() };
    const before = await counts();

    const logins = await Promise.all(Array.from({ length: 100 }, () => logIn(device)));

    const after = await counts();
    expect(new Set(logins.map(({ user }) => user.id)).size).toBe(1);
    expect(after.slice(0, 3)).toEqual(before.slice(0, 3).map((count) => count + 1));
    const deviceId = required(logins[0]?.device, 'device of the login').id;
    expect(await services.db.session.count({ where: { deviceId, revokedAt: null } })).toBe(1);
  });

  it('creates one account for concurrent first logins with one key and separate proofs', async () => {
    const [identifier, key] = [newIdentifier(), await newKey()];
    const inputs = await Promise.all(
      Array.from({ length: 10 }, async () => ({
        identifier,
        publicKey: key.publicKey,
        proof: await prove(services, key, identifier),
      })),
    );

    const logins = await Promise.all(inputs.map(logIn));

    expect(new Set(logins.map(({ user }) => user.id)).size).toBe(1);
  });

  it('stores short code and name only at registration', async () => {
    const { login, ...device } = await newDevice({ shortCode: 'FIRST', name: 'Mine', appVersion: '1' });

    const again = await logIn({ ...device, shortCode: 'SECOND', name: 'Other', appVersion: '2' });

    expect(login.device).toMatchObject({ shortCode: 'FIRST', name: 'Mine', appVersion: '1' });
    expect(again.device).toMatchObject({ shortCode: 'FIRST', name: 'Mine', appVersion: '2' });
  });

  it('adds no short code after registration', async () => {
    const { login, ...device } = await newDevice();

    expect(login.device?.shortCode).toBeNull();
    expect((await logIn({ ...device, shortCode: 'LATE' })).device?.shortCode).toBeNull();
  });

  it('creates no account while registration is closed, but logs registered devices in', async () => {
    const { login, ...device } = await newDevice();
    await site({ registrationEnabled: false });
    const before = await counts();

    await expect(newDevice()).rejects.toMatchObject({ code: 'REGISTRATION_CLOSED' });

    expect(await counts()).toEqual(before);
    expect((await logIn(device)).user.id).toBe(login.user.id);
  });

  it('revokes the previous session of the device only', async () => {
    const { login, ...device } = await newDevice();
    const { login: neighbour } = await newDevice();
    const sessionOf = async (userId: string) =>
      (await services.db.session.findFirstOrThrow({ where: { userId, revokedAt: null } })).id;
    const [first, other] = [await sessionOf(login.user.id), await sessionOf(neighbour.user.id)];
    expect(await findSession(services, first)).not.toBeNull();

    await logIn(device);

    expect(await findSession(services, first)).toBeNull();
    expect(await findSession(services, await sessionOf(login.user.id))).not.toBeNull();
    expect(await findSession(services, other)).not.toBeNull();
  });

  it('leaves one session after twenty concurrent logins of a device, which all succeed', async () => {
    const { login, ...device } = await newDevice();

    const logins = await Promise.all(Array.from({ length: 20 }, () => logIn(device)));

    expect(logins).toHaveLength(20);
    const sessions = { deviceId: required(login.device, 'device of the login').id };
    expect(await services.db.session.count({ where: sessions })).toBe(2);
    expect(await services.db.session.count({ where: { ...sessions, revokedAt: null } })).toBe(1);
  });

  it.each([
    ['shortCode', 32],
    ['name', 100],
    ['platform', 50],
    ['appVersion', 50],
  ] as const)('never fails because of its %s, which only describes it', async (field, length) => {
    const stored = async (text: string) => (await newDevice({ [field]: text })).login.device?.[field];

    expect(await stored('x'.repeat(5_000))).toBe('x'.repeat(length));
    expect(await stored(`${'x'.repeat(length - 1)}📱📱`)).toBe(`${'x'.repeat(length - 1)}📱`);
    expect(await stored(`${'x'.repeat(length - 1)} yy`)).toBe('x'.repeat(length - 1));
    expect(await stored(' a\n\tb ')).toBe('a  b');
    for (const invisible of ['', ' ', '\n', '\u200b', '\u00ad\u2060', '\u3164'])
      expect(await stored(invisible)).toBeNull();
  });

  it.each([
    ['a\u0000b\uD83D', 'a b\uFFFD'],
    [4.2, '4.2'],
    [{}, null],
    [['a'], null],
    [true, null],
  ])('stores %j as %j if it only describes the device', async (given, stored) => {
    const identifier = newIdentifier();
    const described = { shortCode: given, name: given, platform: given, appVersion: given };

    const input = { identifier, secret: newSecret(), ...described } as never;
    const { deviceLogin } = await api.anonymous.get(DeviceLoginDocument, { input });

    const device = await services.db.device.findFirstOrThrow({ where: { userId: deviceLogin.user.id } });
    const { shortCode, name, platform, appVersion } = device;
    expect([shortCode, name, platform, appVersion]).toEqual([stored, stored, stored, stored]);
  });

  it.each([
    ['an identifier that is too short', { identifier: 'seven77' }, 'input.identifier'],
    ['an identifier that is too long', { identifier: 'x'.repeat(129) }, 'input.identifier'],
    ['an identifier with a control character', { identifier: 'device\u0007-1' }, 'input.identifier'],
    ['an identifier with non-ASCII characters', { identifier: 'Gerät-12345' }, 'input.identifier'],
    ['an identifier that ends with a space', { identifier: 'device-123 ' }, 'input.identifier'],
    ['a secret that is too short', { secret: 'x'.repeat(42) }, 'input.secret'],
    ['a secret that is too long', { secret: 'x'.repeat(129) }, 'input.secret'],
    ['a secret that is not base64url', { secret: `${'x'.repeat(43)}!` }, 'input.secret'],
    ['an identifier with a NUL character', { identifier: 'device\u0000-1' }, 'input.identifier'],
    ['a secret with a lone surrogate', { secret: '\uD800'.repeat(43) }, 'input.secret'],
    ['a proof without its key', { secret: null, proof: 'x.y.z' }, 'input.proof'],
  ])('rejects %s and creates nothing', async (_, fields, field) => {
    const before = await counts();
    const input = { identifier: newIdentifier(), secret: newSecret(), ...fields };

    const { extensions } = await api.anonymous.refused(DeviceLoginDocument, { input });

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', ...(field && { field }) });
    expect(await counts()).toEqual(before);
  });

  it.each([
    [
      'together with a secret',
      async () => ({ secret: newSecret(), publicKey: (await newKey()).publicKey, proof: 'x' }),
    ],
    ['without a proof', async () => ({ publicKey: (await newKey()).publicKey })],
    ['with its private part', async () => ({ publicKey: (await newKey()).privateJwk, proof: 'x' })],
    [
      'on an unsupported curve',
      async () => ({ publicKey: { kty: 'EC', crv: 'P-384', x: 'A', y: 'A' }, proof: 'x' }),
    ],
    ['that is symmetric', async () => ({ publicKey: { kty: 'oct', k: 'AAAA' }, proof: 'x' })],
    ['of type RSA', async () => ({ publicKey: { kty: 'RSA', n: 'AQAB', e: 'AQAB' }, proof: 'x' })],
    ['that is a string', async () => ({ publicKey: 'MFkwEwYHKoZIzj0', proof: 'x' })],
    ['that is an array', async () => ({ publicKey: [], proof: 'x' })],
  ])('rejects a key %s', async (_, fields) => {
    const input = { identifier: newIdentifier(), ...(await fields()) };

    const { extensions } = await api.anonymous.refused(DeviceLoginDocument, { input });

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT' });
    expect(extensions.field).toMatch(/^input\.(publicKey|proof)/);
  });
});

describe('logInDevice with optional proof', () => {
  it('accepts a device without a credential until it presents one, and requires it from then on', async () => {
    await site({ deviceLoginProof: 'OPTIONAL' });
    const identifier = newIdentifier();
    const secret = newSecret();
    const bare = await logIn({ identifier });

    expect((await logIn({ identifier })).user.id).toBe(bare.user.id);
    expect((await logIn({ identifier, secret })).user.id).toBe(bare.user.id);

    await expect(logIn({ identifier })).rejects.toMatchObject({ code: 'DEVICE_PROOF_REQUIRED' });
    await expect(logIn({ identifier, secret: newSecret() })).rejects.toMatchObject({
      code: 'DEVICE_PROOF_INVALID',
    });
    await site({ deviceLoginProof: 'REQUIRED' });
    expect((await logIn({ identifier, secret })).user.id).toBe(bare.user.id);
  });

  it('adopts the first key of a device without a credential', async () => {
    await site({ deviceLoginProof: 'OPTIONAL' });
    const [identifier, key] = [newIdentifier(), await newKey('EdDSA')];
    const bare = await logIn({ identifier });

    const proof = await prove(services, key, identifier);
    const login = await logIn({ identifier, publicKey: key.publicKey, proof });

    expect(login.user.id).toBe(bare.user.id);
    await expect(logIn({ identifier })).rejects.toMatchObject({ code: 'DEVICE_PROOF_REQUIRED' });
    await expect(logIn({ identifier, secret: newSecret() })).rejects.toMatchObject({
      code: 'DEVICE_PROOF_INVALID',
    });
  });

  it('adopts exactly one of ten concurrent secrets', async () => {
    await site({ deviceLoginProof: 'OPTIONAL' });
    const identifier = newIdentifier();
    await logIn({ identifier });
    const secrets = Array.from({ length: 10 }, newSecret);

    const results = await Promise.allSettled(secrets.map((secret) => logIn({ identifier, secret })));

    const winners = secrets.filter((_, index) => results[index]?.status === 'fulfilled');
    expect(winners).toHaveLength(1);
    await expect(logIn({ identifier, secret: winners[0] })).resolves.toBeDefined();
  });

  it('requires a proof as soon as the site does, and adopts the first secret', async () => {
    await site({ deviceLoginProof: 'OPTIONAL' });
    const identifier = newIdentifier();
    const bare = await logIn({ identifier });
    await site({ deviceLoginProof: 'REQUIRED' });

    await expect(logIn({ identifier })).rejects.toMatchObject({ code: 'DEVICE_PROOF_REQUIRED' });
    expect((await logIn({ identifier, secret: newSecret() })).user.id).toBe(bare.user.id);
  });
});

describe('logInDevice with rate limits', () => {
  it('creates at most sixty accounts per hour for one /64 network, but logs registered devices in', async () => {
    const limited = await createTestServices({ rateLimits: true });
    const network = Array.from({ length: 4 }, () => randomInt(0x1000, 0xffff).toString(16)).join(':');
    const from = (ip: string, device: Input) =>
      inRequestScope({ requestId: randomUUID(), ip, userAgent: null }, () => logInDevice(limited, device));
    const device = () => ({ identifier: newIdentifier(), secret: newSecret() });
    const devices = Array.from({ length: 60 }, device);
    await Promise.all(devices.map((one, host) => from(`${network}::${host.toString(16)}`, one)));

    await expect(from(`${network}:ffff::1`, device())).rejects.toMatchObject({
      code: 'RATE_LIMITED',
      details: {
        retryAfterSeconds: expect.toSatisfy((seconds: number) => seconds > 3_500 && seconds <= 3_600),
      },
    });

    expect(await limited.db.user.count()).toBe(60);
    await from(`${network}::1`, devices[0] ?? device());
    await from(`192.0.2.${randomInt(1, 255)}`, device());
    expect(await limited.db.user.count()).toBe(61);
    await limited.close();
  });
});
