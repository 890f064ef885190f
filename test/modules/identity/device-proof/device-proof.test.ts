import { randomUUID } from 'node:crypto';
import { UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createDeviceChallenge } from '../../../../src/modules/identity/device-proof/device-challenge.ts';
import { logInDevice } from '../../../../src/modules/lifecycle/login/log-in-device.ts';
import type { Database } from '../../../../src/platform/database/database.ts';
import { DeviceChallengeDocument, DeviceLoginDocument } from '../../../generated/graphql.ts';
import { newSecret, startTestApi, type TestApi } from '../../../support/api.ts';
import { type AppKey, newKey, type ProofParts, prove } from '../../../support/prove.ts';
import type { TestServices } from '../../../support/services.ts';

type Input = Parameters<typeof logInDevice>[1];
interface KeyDevice {
  identifier: string;
  key: AppKey;
  id: string;
  userId: string;
}

let api: TestApi;
let services: TestServices;
let device: KeyDevice;
let other: KeyDevice;
beforeAll(async () => {
  api = await startTestApi();
  services = api.services;
  [device, other] = [await newKeyDevice(), await newKeyDevice()];
});
afterAll(() => api.close());

const newIdentifier = () => `device-${randomUUID()}`;
const logIn = (input: Input) => logInDevice(services, input);
const nowSeconds = () => Math.floor(Date.now() / 1_000);

async function newKeyDevice(alg: AppKey['alg'] = 'ES256'): Promise<KeyDevice> {
  const [identifier, key] = [newIdentifier(), await newKey(alg)];
  const login = await logIn({
    identifier,
    publicKey: key.publicKey,
    proof: await prove(services, key, identifier),
  });
  return { identifier, key, id: login.device?.id ?? '', userId: login.user.id };
}

async function newSecretDevice() {
  const [identifier, secret] = [newIdentifier(), newSecret()];
  const login = await logIn({ identifier, secret });
  return { identifier, secret, id: login.device?.id ?? '', userId: login.user.id };
}

const withProof = async ({ identifier, key }: KeyDevice, parts?: ProofParts): Promise<Input> => ({
  identifier,
  publicKey: key.publicKey,
  proof: await prove(services, key, identifier, parts),
});

/** A nonce that was issued `seconds` ago. */
async function nonceOfAge(identifier: string, seconds: number): Promise<string> {
  return services.db.$transaction(async (tx) => {
    await tx.$executeRaw`SELECT set_config('tessera.clock_offset', ${`-${seconds} seconds`}, true)`;
    const { nonce } = await createDeviceChallenge(
      { ...services, db: tx as unknown as Database },
      { identifier },
    );
    return nonce;
  });
}

const forgeries: Record<string, () => Promise<Input>> = {
  'a nonce older than a minute': async () =>
    withProof(device, { claims: { nonce: await nonceOfAge(device.identifier, 61) } }),
  'a nonce issued for another identifier': async () => {
    const { nonce } = await createDeviceChallenge(services, { identifier: other.identifier });
    return withProof(device, { claims: { nonce } });
  },
  'a nonce without a valid MAC': () =>
    withProof(device, { claims: { nonce: Buffer.alloc(56).toString('base64url') } }),
  'a nonce with a changed expiry': async () => {
    const { nonce } = await createDeviceChallenge(services, { identifier: device.identifier });
    const bytes = Buffer.from(nonce, 'base64url');
    bytes.writeBigUInt64BE(BigInt(Date.now() + 3_600_000), 0);
    return withProof(device, { claims: { nonce: bytes.toString('base64url') } });
  },
  'an empty nonce': () => withProof(device, { claims: { nonce: '' } }),
  'a missing nonce': () => withProof(device, { claims: { nonce: undefined } }),
  'an array as the nonce': () => withProof(device, { claims: { nonce: ['x'] } }),
  'a wrong sub': () => withProof(device, { claims: { sub: other.identifier } }),
  'a missing sub': () => withProof(device, { claims: { sub: undefined } }),
  'a wrong aud': () => withProof(device, { claims: { aud: 'login' } }),
  'an array as the aud': () => withProof(device, { claims: { aud: ['deviceLogin'] } }),
  'a missing aud': () => withProof(device, { claims: { aud: undefined } }),
  'a missing typ': () => withProof(device, { header: { typ: undefined } }),
  'the typ JWT': () => withProof(device, { header: { typ: 'JWT' } }),
  'the typ of an access token': () => withProof(device, { header: { typ: 'at+jwt' } }),
  'the alg none': async () => {
    const { nonce } = await createDeviceChallenge(services, { identifier: device.identifier });
    const claims = { nonce, sub: device.identifier, aud: 'deviceLogin', iat: nowSeconds() };
    const { identifier, key } = device;
    return { identifier, publicKey: key.publicKey, proof: new UnsecuredJWT(claims).encode() };
  },
  'HS256 with the public key as the secret': () =>
    withProof(device, { header: { alg: 'HS256' }, key: Buffer.from(JSON.stringify(device.key.publicKey)) }),
  'a signature by another key': async () =>
    withProof(device, { key: (await newKey()).privateKey, header: { jwk: other.key.publicKey } }),
  'another key with a valid proof of its own': async () => {
    const { identifier } = device;
    const key = await newKey();
    return { identifier, publicKey: key.publicKey, proof: await prove(services, key, identifier) };
  },
  'the proof of another device': async () => ({
    ...(await withProof(other)),
    identifier: device.identifier,
  }),
  'changed claims under an old signature': async () => {
    const input = await withProof(device);
    const [header, claims, signature] = input.proof?.split('.') ?? [];
    const fresh = JSON.parse(Buffer.from(claims ?? '', 'base64url').toString()) as object;
    const changed = Buffer.from(JSON.stringify({ ...fresh, iat: nowSeconds() + 1 })).toString('base64url');
    return { ...input, proof: [header, changed, signature].join('.') };
  },
  'a point off the curve': async () => ({
    ...(await withProof(device)),
    publicKey: { ...device.key.publicKey, x: 'A'.repeat(43) },
  }),
  'an EdDSA header over an ES256 key': () =>
    withProof(device, { header: { alg: 'EdDSA' }, key: edKey.privateKey }),
  'a proof that is not a JWS': async () => ({ ...(await withProof(device)), proof: 'proof' }),
  'an unknown secret': async () => ({ identifier: device.identifier, secret: newSecret() }),
};

let edKey: AppKey;
beforeAll(async () => {
  edKey = await newKey('EdDSA');
});

describe('deviceLogin with a key', () => {
  it.each(['ES256', 'EdDSA'] as const)('registers a device and logs it in again with %s', async (alg) => {
    const [identifier, key] = [newIdentifier(), await newKey(alg)];
    const logInWithKey = async () => {
      const { deviceChallenge } = await api.anonymous.get(DeviceChallengeDocument, { identifier });
      const proof = await prove(services, key, identifier, { claims: { nonce: deviceChallenge.nonce } });
      const input = { identifier, publicKey: key.publicKey, proof };
      return (await api.anonymous.get(DeviceLoginDocument, { input })).deviceLogin;
    };

    const [first, second] = [await logInWithKey(), await logInWithKey()];

    expect(second.user.id).toBe(first.user.id);
    expect(second.device?.id).toBe(first.device?.id);
  });

  it('accepts a nonce that is 55 seconds old', async () => {
    const nonce = await nonceOfAge(device.identifier, 55);

    const login = await logIn(await withProof(device, { claims: { nonce } }));

    expect(login.device?.id).toBe(device.id);
  });

  it('accepts any iat of a wrong clock, and none', async () => {
    for (const iat of [0, nowSeconds() - 86_400, nowSeconds() + 315_360_000, -5, undefined]) {
      const login = await logIn(await withProof(device, { claims: { iat } }));
      expect(login.device?.id).toBe(device.id);
    }
  });

  it('drops JWK members that are not part of the key', async () => {
    const [identifier, key] = [newIdentifier(), await newKey()];
    const publicKey = { ...key.publicKey, kid: 'mine', use: 'sig', alg: 'ES256', ext: true };

    await logIn({ identifier, publicKey, proof: await prove(services, key, identifier) });
    const again = await logIn({
      identifier,
      publicKey: key.publicKey,
      proof: await prove(services, key, identifier),
    });

    expect(await services.db.device.findUnique({ where: { id: again.device?.id ?? '' } })).toMatchObject({
      publicKey: key.publicKey,
    });
  });

  it('rejects a proof that was used before', async () => {
    const input = await withProof(device);
    await logIn(input);

    await expect(logIn(input)).rejects.toMatchObject({ code: 'DEVICE_PROOF_INVALID' });
  });

  it('lets exactly one of twenty concurrent uses of a proof log in', async () => {
    const input = await withProof(device);

    const results = await Promise.allSettled(Array.from({ length: 20 }, () => logIn(input)));

    const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason.code] : []));
    expect(refused).toEqual(Array(19).fill('DEVICE_PROOF_INVALID'));
  });

  it('rejects the proof of a registration when it is reused for a login', async () => {
    const [identifier, key] = [newIdentifier(), await newKey()];
    const input = { identifier, publicKey: key.publicKey, proof: await prove(services, key, identifier) };
    await logIn(input);

    await expect(logIn(input)).rejects.toMatchObject({ code: 'DEVICE_PROOF_INVALID' });
  });

  it.each(Object.keys(forgeries))('rejects %s, audits it, and leaves the account unchanged', async (name) => {
    const state = () =>
      Promise.all([
        services.db.user.findUniqueOrThrow({ where: { id: device.userId } }),
        services.db.device.findUniqueOrThrow({ where: { id: device.id } }),
        services.db.session.findMany({ where: { userId: device.userId }, orderBy: { id: 'asc' } }),
      ]);
    const audited = () =>
      services.db.auditEntry.count({ where: { action: 'deviceProofRefused', targetId: device.id } });
    const [before, entries] = [await state(), await audited()];
    const input = (await forgeries[name]?.()) ?? { identifier: '' };

    await expect(logIn(input)).rejects.toMatchObject({ code: 'DEVICE_PROOF_INVALID' });

    expect(await state()).toEqual(before);
    expect(await audited()).toBe(entries + 1);
  });

  it('does not register a device with an invalid proof', async () => {
    const [identifier, key] = [newIdentifier(), await newKey()];
    const proof = await prove(services, key, identifier, { claims: { sub: newIdentifier() } });

    await expect(logIn({ identifier, publicKey: key.publicKey, proof })).rejects.toMatchObject({
      code: 'DEVICE_PROOF_INVALID',
    });

    expect(await services.db.identity.count({ where: { value: identifier } })).toBe(0);
  });

  it('deletes expired nonces when it marks a new one as used', async () => {
    const nonce = Buffer.from(randomUUID());
    await services.db.spentNonce.create({
      data: { nonce, expiresAt: new Date(Date.now() - 2 * 3_600_000) },
    });

    await logIn(await withProof(device));

    expect(await services.db.spentNonce.count({ where: { nonce } })).toBe(0);
    expect(await services.db.spentNonce.count()).toBeGreaterThan(0);
  });
});

describe('deviceLogin with a secret', () => {
  it.each<[string, (own: { identifier: string; secret: string }) => Promise<Input>, string]>([
    [
      'a known device without a credential',
      async ({ identifier }) => ({ identifier }),
      'DEVICE_PROOF_REQUIRED',
    ],
    [
      'another secret',
      async ({ identifier }) => ({ identifier, secret: newSecret() }),
      'DEVICE_PROOF_INVALID',
    ],
    [
      'the secret with an extra character',
      async ({ identifier, secret }) => ({ identifier, secret: `${secret}A` }),
      'DEVICE_PROOF_INVALID',
    ],
    [
      'a key with a valid proof',
      async ({ identifier }) => {
        const key = await newKey();
        return { identifier, publicKey: key.publicKey, proof: await prove(services, key, identifier) };
      },
      'DEVICE_PROOF_INVALID',
    ],
  ])('rejects %s and leaves the device unchanged', async (_, input, code) => {
    const own = await newSecretDevice();
    const before = await services.db.device.findUniqueOrThrow({ where: { id: own.id } });

    await expect(logIn(await input(own))).rejects.toMatchObject({ code });

    expect(await services.db.device.findUniqueOrThrow({ where: { id: own.id } })).toEqual(before);
    expect(await services.db.session.count({ where: { deviceId: own.id, revokedAt: null } })).toBe(1);
    expect(await services.db.auditEntry.findMany({ where: { targetId: own.id } })).toMatchObject(
      code === 'DEVICE_PROOF_INVALID' ? [{ action: 'deviceProofRefused', actorId: null }] : [],
    );
    expect((await logIn(own)).device?.id).toBe(own.id);
  });

  it('rejects an unknown device without a credential and creates nothing', async () => {
    const identifier = newIdentifier();

    await expect(logIn({ identifier })).rejects.toMatchObject({ code: 'DEVICE_PROOF_REQUIRED' });

    expect(await services.db.identity.count({ where: { value: identifier } })).toBe(0);
  });

  it.each<[string, string, (own: { id: string; userId: string }) => Promise<unknown>]>([
    [
      'a disabled device',
      'DEVICE_DISABLED',
      ({ id }) => services.db.device.update({ where: { id }, data: { enabled: false } }),
    ],
    [
      'a disabled account',
      'ACCOUNT_DISABLED',
      ({ userId }) => services.db.user.update({ where: { id: userId }, data: { enabled: false } }),
    ],
    [
      'a closed account',
      'ACCOUNT_DISABLED',
      ({ userId }) => services.db.user.update({ where: { id: userId }, data: { deletedAt: new Date() } }),
    ],
  ])('reveals %s (%s) only after a valid credential', async (_, code, disable) => {
    const own = await newSecretDevice();
    await disable(own);
    const { identifier, secret } = own;

    await expect(logIn({ identifier })).rejects.toMatchObject({ code: 'DEVICE_PROOF_REQUIRED' });
    await expect(logIn({ identifier, secret: newSecret() })).rejects.toMatchObject({
      code: 'DEVICE_PROOF_INVALID',
    });
    await expect(logIn({ identifier, secret })).rejects.toMatchObject({ code });
    expect(await services.db.session.count({ where: { deviceId: own.id } })).toBe(1);
  });
});

describe('deviceChallenge', () => {
  it('issues a new nonce, valid for a minute, to known and unknown identifiers alike', async () => {
    const ask = (identifier: string) => api.anonymous.get(DeviceChallengeDocument, { identifier });

    const challenges = await Promise.all([device.identifier, device.identifier, newIdentifier()].map(ask));

    for (const { deviceChallenge } of challenges) {
      const left = new Date(deviceChallenge.expiresAt).getTime() - Date.now();
      expect(left).toSatisfy((ms: number) => ms > 50_000 && ms <= 61_000);
      expect(deviceChallenge.nonce).toHaveLength(challenges[0]?.deviceChallenge.nonce.length ?? 0);
    }
    expect(new Set(challenges.map(({ deviceChallenge }) => deviceChallenge.nonce)).size).toBe(3);
  });

  it('rejects a malformed identifier and reports the argument', async () => {
    const { extensions } = await api.anonymous.refused(DeviceChallengeDocument, { identifier: 'short' });

    expect(extensions).toMatchObject({ code: 'BAD_USER_INPUT', field: 'identifier' });
  });
});
