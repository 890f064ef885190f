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
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { signAccessToken, verifyAccessToken } from '../../../../src/modules/identity/session/access-token.ts';
import { authenticate } from '../../../../src/modules/lifecycle/login/authenticate.ts';
import { DAY_MS, SECOND_MS } from '../../../../src/platform/database/clock.ts';
import { ViewerDocument } from '../../../generated/graphql.ts';
import { startTestApi, type TestApi, type TestUser } from '../../../support/api.ts';
import { post } from '../../../support/client.ts';

let api: TestApi;
let user: TestUser;
let sessionId: string;
let ours: { kid: string; key: CryptoKey };
let stranger: { privateKey: CryptoKey; publicKey: CryptoKey };

beforeAll(async () => {
  api = await startTestApi();
  user = await api.newUser();
  const session = await api.services.db.session.findFirstOrThrow({ where: { userId: user.userId } });
  sessionId = session.id;
  ours = await api.services.signingKeys.current();
  stranger = await generateKeyPair('ES256', { extractable: true });
});
afterAll(() => api.close());

const now = () => Math.floor(Date.now() / SECOND_MS);

/** What a good token has, to be spoilt in one place. */
const goodClaims = (): JWTPayload => ({
  sub: user.userId,
  sid: sessionId,
  iss: 'tessera',
  aud: 'tessera',
  iat: now(),
  exp: now() + 600,
});
const goodHeader = () => ({ alg: 'ES256', typ: 'at+jwt', kid: ours.kid });

function sign(
  claims: Record<string, unknown> = {},
  header: Record<string, unknown> = {},
  key: CryptoKey | Uint8Array = ours.key,
): Promise<string> {
  const payload = without({ ...goodClaims(), ...claims });
  return new SignJWT(payload)
    .setProtectedHeader(without({ ...goodHeader(), ...header }) as JWTHeaderParameters)
    .sign(key);
}

const without = <T extends object>(fields: T): T =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as T;

const base64url = (value: unknown) =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url');

/** The token with one of its three parts replaced. */
async function tampered(change: (parts: [string, string, string]) => string[]): Promise<string> {
  return change((await sign()).split('.') as [string, string, string]).join('.');
}

const flipped = (text: string, at: number) =>
  `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`;

const byStranger = (header: Record<string, unknown>, claims: Record<string, unknown> = {}) =>
  sign(claims, header, stranger.privateKey);

async function withPublicKeyAsSecret(): Promise<string> {
  const published = await fetch(`${api.url}/.well-known/jwks.json`).then(
    (response) => response.json() as Promise<{ keys: Record<string, string>[] }>,
  );
  return sign({}, { alg: 'HS256' }, Buffer.from(JSON.stringify(published.keys[0])));
}

async function withPemAsSecret(): Promise<string> {
  const key = await api.services.signingKeys.find(ours.kid);
  return sign({}, { alg: 'HS256' }, Buffer.from(key ? await exportSPKI(key) : ''));
}

const strangersJwk = async () => exportJWK(stranger.publicKey);

const forgeries: Record<string, () => Promise<string> | string> = {
  'alg none, no signature': () => new UnsecuredJWT(goodClaims()).encode(),
  'alg none with our kid and type': () =>
    `${base64url({ ...goodHeader(), alg: 'none' })}.${base64url(goodClaims())}.`,
  'alg None, in other letters': () =>
    `${base64url({ ...goodHeader(), alg: 'NoNe' })}.${base64url(goodClaims())}.`,
  'alg none with the signature of a good token': () =>
    tampered(([, claims, signature]) => [base64url({ ...goodHeader(), alg: 'none' }), claims, signature]),
  'no alg': () => tampered(([, ...rest]) => [base64url({ typ: 'at+jwt', kid: ours.kid }), ...rest]),
  'HS256 with the published key as the secret': withPublicKeyAsSecret,
  'HS256 with the PEM of the public key as the secret': withPemAsSecret,
  'HS256 with an empty secret': () => sign({}, { alg: 'HS256' }, Buffer.alloc(32)),
  'another alg named over our signature': () =>
    tampered(([, ...rest]) => [base64url({ ...goodHeader(), alg: 'ES384' }), ...rest]),
  'another key under our kid': () => byStranger({}),
  'another key under its own kid': async () =>
    byStranger({ kid: await calculateJwkThumbprint(await strangersJwk()) }),
  'another key that comes along as jwk': async () => byStranger({ jwk: await strangersJwk() }),
  'another key that comes along, without kid': async () =>
    byStranger({ kid: undefined, jwk: await strangersJwk() }),
  'another key at a jku': () => byStranger({ jku: 'https://attacker.example/jwks.json' }),
  'another key at an x5u': () => byStranger({ x5u: 'https://attacker.example/cert.pem' }),
  'another key as x5c': () => byStranger({ x5c: ['MIIB'] }),
  'our key without kid': () => sign({}, { kid: undefined }),
  'an unknown kid': () => sign({}, { kid: 'no-such-key' }),
  'a kid that is a path': () => sign({}, { kid: '../../../../dev/null' }),
  'a kid that is SQL': () => sign({}, { kid: "' OR 1=1 --" }),
  'an empty kid': () => sign({}, { kid: '' }),
  'a kid that is a number': () => sign({}, { kid: 1 }),
  'a crit that nobody knows': () =>
    tampered(([, ...rest]) => [base64url({ ...goodHeader(), crit: ['b64', 'x'] }), ...rest]),
  'no typ': () => sign({}, { typ: undefined }),
  'typ JWT': () => sign({}, { typ: 'JWT' }),
  'the typ of a device proof': () => sign({}, { typ: 'device-proof+jwt' }),
  'no iss': () => sign({ iss: undefined }),
  'another iss': () => sign({ iss: 'tessera.example' }),
  'no aud': () => sign({ aud: undefined }),
  'another aud': () => sign({ aud: 'deviceLogin' }),
  'no exp': () => sign({ exp: undefined }),
  'an exp in words': () => sign({ exp: 'tomorrow' }),
  'no iat': () => sign({ iat: undefined }),
  'an iat in the future': () => sign({ iat: now() + 60, exp: now() + 660 }),
  'no sid': () => sign({ sid: undefined }),
  'a sid that is no id': () => sign({ sid: "' OR 1=1 --" }),
  'a sid of no session': () => sign({ sid: randomUUID() }),
  'no sub': () => sign({ sub: undefined }),
  'the sub of somebody else': () => sign({ sub: randomUUID() }),
  'a nbf in the future': () => sign({ nbf: now() + 600 }),
  'a changed header': () => tampered(([header, ...rest]) => [flipped(header, 5), ...rest]),
  'changed claims': () =>
    tampered(([header, , signature]) => [
      header,
      base64url({ ...goodClaims(), sub: randomUUID() }),
      signature,
    ]),
  'a changed signature': () => tampered(([header, claims, s]) => [header, claims, flipped(s, 20)]),
  'a signature of zeros': () =>
    tampered(([header, claims]) => [header, claims, Buffer.alloc(64).toString('base64url')]),
  'no signature': () => tampered(([header, claims]) => [header, claims, '']),
  'two parts': () => tampered(([header, claims]) => [header, claims]),
  'four parts': () => tampered((parts) => [...parts, 'AAAA']),
  'an encrypted token': async () =>
    new EncryptJWT(goodClaims())
      .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', typ: 'at+jwt', kid: ours.kid })
      .encrypt(Buffer.alloc(32)),
  'claims that are no JSON': () => tampered(([header, , s]) => [header, base64url('no json'), s]),
  'claims that are a list': () => tampered(([header, , s]) => [header, base64url([1]), s]),
  'a refresh token': () => user.refreshToken,
  'a session id': () => sessionId,
  'the device secret': () => user.secret,
  'the word null': () => 'null',
  dots: () => '..',
};

describe('verifyAccessToken', () => {
  it('believes the token that all forgeries below are made from', async () => {
    const believed = await verifyAccessToken(api.services.signingKeys, await sign());

    expect(believed).toEqual({ userId: user.userId, sessionId });
    expect(await authenticate(api.services, `Bearer ${await sign()}`)).toMatchObject({ kind: 'user' });
  });

  it.each(Object.keys(forgeries))('makes nobody of %s', async (name) => {
    const token = (await forgeries[name]?.()) ?? '';

    const caller = await authenticate(api.services, `Bearer ${token}`);

    const fault = ['a sid of no session', 'the sub of somebody else'].includes(name) ? 'REVOKED' : 'INVALID';
    expect(caller).toEqual({ kind: 'anonymous', refusedToken: fault });
  });

  it.each([
    ['expired a minute ago', () => sign({ iat: now() - 660, exp: now() - 60 })],
    ['issued too long ago, whatever its exp says', () => sign({ iat: now() - 700, exp: now() + 3_600 })],
  ])('says EXPIRED of what is %s', async (_, make) => {
    const caller = await authenticate(api.services, `Bearer ${await make()}`);

    expect(caller).toEqual({ kind: 'anonymous', refusedToken: 'EXPIRED' });
  });

  it('says INVALID, not EXPIRED, of an old token that another key has signed', async () => {
    const token = await byStranger({}, { iat: now() - 660, exp: now() - 60 });

    const caller = await authenticate(api.services, `Bearer ${token}`);

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
  ])('makes nobody of the header %j', async (header) => {
    expect(await authenticate(api.services, header)).toEqual({ kind: 'anonymous', refusedToken: 'INVALID' });
  });

  it('lets a token end ten minutes after it was issued', async () => {
    const issuedAt = new Date(Date.now() - DAY_MS);

    const { accessTokenExpiresAt } = await signAccessToken(api.services.signingKeys, {
      userId: user.userId,
      sessionId,
      issuedAt,
    });

    expect(accessTokenExpiresAt.getTime() - Math.floor(issuedAt.getTime() / 1_000) * 1_000).toBe(600_000);
  });

  it('does not believe a token that it has believed before, once its key is retired', async () => {
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
    expect(await verifyAccessToken(keys, accessToken)).toEqual({ userId: user.userId, sessionId });

    isRetired = true;

    await expect(verifyAccessToken(keys, accessToken)).rejects.toMatchObject({ fault: 'INVALID' });
  });
});

describe('a request with a token that is not believed', () => {
  const viewerAndPlans = { query: '{ plans { id } viewer { id } }' };

  it.each(['alg none, no signature', 'another key under our kid', 'a refresh token', 'a sid of no session'])(
    'gets public fields and no viewer for %s',
    async (name) => {
      const token = (await forgeries[name]?.()) ?? '';

      const answer = await post<{ plans: unknown; viewer: unknown }>(api.url, viewerAndPlans, token);

      expect(answer).toMatchObject({ status: 200, data: { plans: [], viewer: null } });
      expect(answer.errors?.map(({ path, extensions }) => [path, extensions.code])).toEqual([
        [['viewer'], 'UNAUTHENTICATED'],
      ]);
    },
  );

  it('gets UNAUTHENTICATED for an expired one', async () => {
    const expired = api.anonymous.as(await sign({ iat: now() - 660, exp: now() - 60 }));

    const { extensions } = await expired.refused(ViewerDocument);

    expect(extensions).toMatchObject({ code: 'UNAUTHENTICATED', retryable: false });
  });

  it('has no viewer and no error when no token came at all', async () => {
    const answer = await post(api.url, viewerAndPlans);

    expect(answer).toMatchObject({ status: 200, data: { plans: [], viewer: null } });
    expect(answer.errors).toBeUndefined();
  });

  it('may do nothing that needs somebody', async () => {
    const { errors } = await post(api.url, { query: 'mutation { logout }' }, await byStranger({}));

    expect(errors?.[0]?.extensions.code).toBe('UNAUTHENTICATED');
  });

  it('is refused beside a good token of somebody who may not', async () => {
    const { errors, data } = await post(api.url, { query: '{ auditLog { totalCount } }' }, user.token);

    expect(errors?.[0]?.extensions.code).toBe('FORBIDDEN');
    expect(data).toEqual({ auditLog: null });
  });
});
