import { randomUUID } from 'node:crypto';
import {
  type CryptoKey,
  calculateJwkThumbprint,
  EncryptJWT,
  exportJWK,
  exportSPKI,
  generateKeyPair,
  type JWTHeaderParameters,
  type JWTPayload,
  SignJWT,
  UnsecuredJWT,
} from 'jose';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  createAccessTokenVerifier,
  signAccessToken,
} from '../../../../src/modules/identity/session/access-token.ts';
import { createSessionReads } from '../../../../src/modules/identity/session/find-session.ts';
import { authenticate as authenticateWith } from '../../../../src/modules/lifecycle/login/authenticate.ts';
import { DAY_MS, SECOND_MS } from '../../../../src/platform/database/clock.ts';
import { ViewerDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { post } from '../../../support/client.ts';

let api: TestApi;
let user: TestUser;
let sessionId: string;
let current: { kid: string; key: CryptoKey };
let foreign: { privateKey: CryptoKey; publicKey: CryptoKey };

beforeAll(async () => {
  api = await startTestApi();
  user = await api.newUser();
  const session = await api.services.db.session.findFirstOrThrow({ where: { userId: user.userId } });
  sessionId = session.id;
  current = await api.services.signingKeys.current();
  foreign = await generateKeyPair('ES256', { extractable: true });
});
afterAll(() => api.close());

const authenticate = (authorization: string) =>
  authenticateWith(
    {
      ...api.services,
      ...createAccessTokenVerifier(api.services),
      ...createSessionReads(api.services),
    },
    authorization,
  );

/** PostgreSQL, with a clock that differs from the one of the host. */
const skewedBy = (seconds: number) =>
  ({
    $queryRaw: async () => [{ clock: new Date(Date.now() + seconds * SECOND_MS) }],
  }) as unknown as TestApi['services']['db'];

const now = () => Math.floor(Date.now() / SECOND_MS);

/** The claims of a valid token. Each forgery changes one thing. */
const validClaims = (): JWTPayload => ({
  sub: user.userId,
  sid: sessionId,
  iss: 'tessera',
  aud: 'tessera',
  iat: now(),
  exp: now() + 600,
});
const validHeader = () => ({ alg: 'ES256', typ: 'at+jwt', kid: current.kid });

function sign(
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
  key: CryptoKey | Uint8Array = current.key,
): Promise<string> {
  const payload = without({ ...validClaims(), ...claims });
  return new SignJWT(payload)
    .setProtectedHeader(without({ ...validHeader(), ...header }) as JWTHeaderParameters)
    .sign(key);
}

const without = <T extends object>(fields: T): T =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;

const base64url = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** A valid token whose header, claims or signature is replaced. */
async function tampered(change: (parts: [string, string, string]) => string[]): Promise<string> {
  return change((await sign()).split('.') as [string, string, string]).join('.');
}

const flipped = (text: string, at: number) =>
  `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;

const withForeignKey = (header: Record<string, unknown>, claims: Record<string, unknown> = {}) =>
  sign(claims, header, foreign.privateKey);

async function withPublicKeyAsSecret(): Promise<string> {
  const published = await fetch(`${api.url}/.well-known/jwks.json`).then(
    (response) => response.json() as Promise<{ keys: Record<string, string>[] }>,
  );
  return sign({}, { alg: 'HS256' }, Buffer.from(JSON.stringify(published.keys[0])));
}

async function withPemAsSecret(): Promise<string> {
  const key = await api.services.signingKeys.find(current.kid);
  return sign({}, { alg: 'HS256' }, Buffer.from(key ? await exportSPKI(key) : ''));
}

const foreignJwk = async () => exportJWK(foreign.publicKey);

const forgeries: Record<string, () => Promise<string> | string> = {
  'alg none without a signature': () => new UnsecuredJWT(validClaims()).encode(),
  'alg none with our kid and type': () =>
    `${base64url({ ...validHeader(), alg: 'none' })}.${base64url(validClaims())}.`,
  'alg none in mixed case': () =>
    `${base64url({ ...validHeader(), alg: 'NoNe' })}.${base64url(validClaims())}.`,
  'alg none with the signature of a valid token': () =>
    tampered(([, claims, signature]) => [base64url({ ...validHeader(), alg: 'none' }), claims, signature]),
  'a missing alg': () => tampered(([, ...rest]) => [base64url({ typ: 'at+jwt', kid: current.kid }), ...rest]),
  'HS256 with the published key as the secret': withPublicKeyAsSecret,
  'HS256 with the PEM of the public key as the secret': withPemAsSecret,
  'HS256 with an empty secret': () => sign({}, { alg: 'HS256' }, Buffer.alloc(32)),
  'a valid signature under another alg': () =>
    tampered(([, ...rest]) => [base64url({ ...validHeader(), alg: 'ES384' }), ...rest]),
  'a foreign key under our kid': () => withForeignKey({}),
  'a foreign key under its own kid': async () =>
    withForeignKey({ kid: await calculateJwkThumbprint(await foreignJwk()) }),
  'a foreign key embedded as jwk': async () => withForeignKey({ jwk: await foreignJwk() }),
  'a foreign key embedded as jwk without a kid': async () =>
    withForeignKey({ kid: undefined, jwk: await foreignJwk() }),
  'a foreign key referenced by jku': () => withForeignKey({ jku: 'https://attacker.example/jwks.json' }),
  'a foreign key referenced by x5u': () => withForeignKey({ x5u: 'https://attacker.example/cert.pem' }),
  'a foreign key embedded as x5c': () => withForeignKey({ x5c: ['MIIB'] }),
  'a missing kid': () => sign({}, { kid: undefined }),
  'an unknown kid': () => sign({}, { kid: 'no-such-key' }),
  'a path as the kid': () => sign({}, { kid: '../../../../dev/null' }),
  'SQL as the kid': () => sign({}, { kid: "' OR 1=1 --" }),
  'an empty kid': () => sign({}, { kid: '' }),
  'a number as the kid': () => sign({}, { kid: 1 }),
  'an unknown crit extension': () =>
    tampered(([, ...rest]) => [base64url({ ...validHeader(), crit: ['b64', 'x'] }), ...rest]),
  'a missing typ': () => sign({}, { typ: undefined }),
  'the typ JWT': () => sign({}, { typ: 'JWT' }),
  'the typ of a device proof': () => sign({}, { typ: 'device-proof+jwt' }),
  'a missing iss': () => sign({ iss: undefined }),
  'a wrong iss': () => sign({ iss: 'tessera.example' }),
  'a missing aud': () => sign({ aud: undefined }),
  'a wrong aud': () => sign({ aud: 'deviceLogin' }),
  'a missing exp': () => sign({ exp: undefined }),
  'a textual exp': () => sign({ exp: 'tomorrow' }),
  'a missing iat': () => sign({ iat: undefined }),
  'an iat in the future': () => sign({ iat: now() + 60, exp: now() + 660 }),
  'a missing sid': () => sign({ sid: undefined }),
  'a malformed sid': () => sign({ sid: "' OR 1=1 --" }),
  'the sid of an unknown session': () => sign({ sid: randomUUID() }),
  'a missing sub': () => sign({ sub: undefined }),
  'the sub of another user': () => sign({ sub: randomUUID() }),
  'an nbf in the future': () => sign({ nbf: now() + 600 }),
  'a changed header': () => tampered(([header, ...rest]) => [flipped(header, 5), ...rest]),
  'changed claims': () =>
    tampered(([header, , signature]) => [
      header,
      base64url({ ...validClaims(), sub: randomUUID() }),
      signature,
    ]),
  'a changed signature': () => tampered(([header, claims, s]) => [header, claims, flipped(s, 20)]),
  'a signature of zeros': () =>
    tampered(([header, claims]) => [header, claims, Buffer.alloc(64).toString('base64url')]),
  'an empty signature': () => tampered(([header, claims]) => [header, claims, '']),
  'only two parts': () => tampered(([header, claims]) => [header, claims]),
  'four parts': () => tampered((parts) => [...parts, 'AAAA']),
  'an encrypted token': async () =>
    new EncryptJWT(validClaims())
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', typ: 'at+jwt', kid: current.kid })
      .encrypt(Buffer.alloc(32)),
  'claims that are not JSON': () => tampered(([header, , s]) => [header, base64url('no json'), s]),
  'claims that are an array': () => tampered(([header, , s]) => [header, base64url([1]), s]),
  'a refresh token': () => user.refreshToken,
  'a session id': () => sessionId,
  'the device secret': () => user.secret,
  'the word null': () => 'null',
  dots: () => '..',
};

describe('verifyAccessToken', () => {
  it('accepts the valid token that the forgeries are derived from', async () => {
    const { verifyAccessToken } = createAccessTokenVerifier(api.services);

    expect(await verifyAccessToken(await sign())).toEqual({ userId: user.userId, sessionId });
    expect(await authenticate(`Bearer ${await sign()}`)).toMatchObject({ kind: 'user' });
  });

  it.each(Object.keys(forgeries))('rejects %s', async (name) => {
    const token = (await forgeries[name]?.()) ?? '';

    const caller = await authenticate(`Bearer ${token}`);

    const refusedToken = ['the sid of an unknown session', 'the sub of another user'].includes(name)
      ? 'REVOKED'
      : 'INVALID';
    expect(caller).toEqual({ kind: 'anonymous', refusedToken });
  });

  it.each([
    ['a token that expired a minute ago', () => sign({ iat: now() - 660, exp: now() - 60 })],
    [
      'a token that is too old by its iat, whatever its exp',
      () => sign({ iat: now() - 700, exp: now() + 3_600 }),
    ],
  ])('reports EXPIRED for %s', async (_, make) => {
    const caller = await authenticate(`Bearer ${await make()}`);

    expect(caller).toEqual({ kind: 'anonymous', refusedToken: 'EXPIRED' });
  });

  it.each([
    ['its exp', () => sign({ iat: now() - 300, exp: now() - 1 })],
    ['its iat, whatever its exp', () => sign({ iat: now() - 601, exp: now() + 3_600 })],
  ])('reports EXPIRED for a token that expired a second ago by %s', async (_, make) => {
    const caller = await authenticate(`Bearer ${await make()}`);

    expect(caller).toEqual({ kind: 'anonymous', refusedToken: 'EXPIRED' });
  });

  it('accepts a token until the second in which it expires, also if it was verified before', async () => {
    const { verifyAccessToken } = createAccessTokenVerifier(api.services);
    const expiresAt = (now() + 2) * SECOND_MS;
    const token = await sign({ iat: now() - 60, exp: expiresAt / SECOND_MS });
    const accepted: number[] = [];

    const rejected = await vi.waitFor(
      async () => {
        const askedAt = Date.now();
        const reason = await verifyAccessToken(token).then(
          () => accepted.push(askedAt) && undefined,
          (error) => error.reason,
        );
        if (reason === undefined) throw new Error('still accepted');
        return { reason, at: Date.now() };
      },
      { interval: 20, timeout: 5_000 },
    );

    expect(rejected.reason).toBe('EXPIRED');
    expect(accepted.length).toBeGreaterThan(10);
    expect(Math.max(...accepted)).toBeLessThanOrEqual(expiresAt);
    expect(rejected.at).toBeGreaterThanOrEqual(expiresAt - 1_000);
  });

  it.each([-300, 300])(
    'expires tokens by PostgreSQL, if its clock is %d s ahead of the host',
    async (ahead) => {
      const skewed = createAccessTokenVerifier({ ...api.services, db: skewedBy(ahead) });
      const issue = (ageSeconds: number) =>
        signAccessToken(api.services.signingKeys, {
          userId: user.userId,
          sessionId,
          issuedAt: new Date(Date.now() + (ahead - ageSeconds) * SECOND_MS),
        });

      const [fresh, old, expired] = await Promise.all([issue(0), issue(595), issue(601)]);

      for (const { accessToken } of [fresh, old]) {
        expect(await skewed.verifyAccessToken(accessToken)).toEqual({ userId: user.userId, sessionId });
      }
      await expect(skewed.verifyAccessToken(expired.accessToken)).rejects.toMatchObject({
        reason: 'EXPIRED',
      });
    },
  );

  it('accepts a token that an instance issued whose clock is a few seconds ahead', async () => {
    const token = await sign({ iat: now() + 5, exp: now() + 605 });

    expect(await authenticate(`Bearer ${token}`)).toMatchObject({ kind: 'user' });
  });

  it('reports INVALID rather than EXPIRED for an old token that a foreign key signed', async () => {
    const token = await withForeignKey({}, { iat: now() - 660, exp: now() - 60 });

    const caller = await authenticate(`Bearer ${token}`);

    expect(caller).toEqual({ kind: 'anonymous', refusedToken: 'INVALID' });
  });

  it.each([
    'Bearer',
    'Bearer ',
    'bearer  a b',
    'Basic dXNlcjpwYXNz',
    'srv_nothing',
    'Bearer srv_nothing',
    'Token x',
  ])('rejects the header %j', async (header) => {
    expect(await authenticate(header)).toEqual({ kind: 'anonymous', refusedToken: 'INVALID' });
  });

  it('signs tokens that expire ten minutes after they were issued', async () => {
    const issuedAt = new Date(Date.now() - DAY_MS);

    const { accessTokenExpiresAt } = await signAccessToken(api.services.signingKeys, {
      userId: user.userId,
      sessionId,
      issuedAt,
    });

    expect(accessTokenExpiresAt.getTime() - Math.floor(issuedAt.getTime() / 1_000) * 1_000).toBe(600_000);
  });

  it('rejects a token that it verified before, once the signing key is retired', async () => {
    const { signingKeys } = api.services;
    let isRetired = false;
    const keys = {
      ...signingKeys,
      find: async (kid: string) => (isRetired ? undefined : signingKeys.find(kid)),
    };
    const { accessToken } = await signAccessToken(keys, {
      userId: user.userId,
      sessionId,
      issuedAt: new Date(),
    });
    const { verifyAccessToken } = createAccessTokenVerifier({ ...api.services, signingKeys: keys });
    expect(await verifyAccessToken(accessToken)).toEqual({ userId: user.userId, sessionId });

    isRetired = true;

    await expect(verifyAccessToken(accessToken)).rejects.toMatchObject({ reason: 'INVALID' });
  });
});

describe('a request with a rejected access token', () => {
  const viewerAndPlans = { query: '{ plans { id } viewer { id } }' };

  it.each([
    'alg none without a signature',
    'a foreign key under our kid',
    'a refresh token',
    'the sid of an unknown session',
  ])('resolves public fields, and refuses viewer with UNAUTHENTICATED, given %s', async (name) => {
    const token = (await forgeries[name]?.()) ?? '';

    const answer = await post<{ plans: unknown; viewer: unknown }>(api.url, viewerAndPlans, token);

    expect(answer).toMatchObject({ status: 200, data: { plans: [], viewer: null } });
    expect(answer.errors?.map(({ path, extensions }) => [path, extensions.code])).toEqual([
      [['viewer'], 'UNAUTHENTICATED'],
    ]);
  });

  it('fails with UNAUTHENTICATED, not retryable, if the token has expired', async () => {
    const expired = api.anonymous.as(await sign({ iat: now() - 660, exp: now() - 60 }));

    const { extensions } = await expired.refused(ViewerDocument);

    expect(extensions).toMatchObject({ code: 'UNAUTHENTICATED', retryable: false });
  });

  it('resolves viewer to null without an error if it carries no token at all', async () => {
    const answer = await post(api.url, viewerAndPlans);

    expect(answer).toMatchObject({ status: 200, data: { plans: [], viewer: null } });
    expect(answer.errors).toBeUndefined();
  });

  it('is refused a mutation that requires a user', async () => {
    const { errors } = await post(api.url, { query: 'mutation { logout }' }, await withForeignKey({}));

    expect(errors?.[0]?.extensions.code).toBe('UNAUTHENTICATED');
  });

  it('gets FORBIDDEN instead of UNAUTHENTICATED if its token is valid but the user is not an admin', async () => {
    const { errors, data } = await post(api.url, { query: '{ auditLog { totalCount } }' }, user.token);

    expect(errors?.[0]?.extensions.code).toBe('FORBIDDEN');
    expect(data).toEqual({ auditLog: null });
  });
});
