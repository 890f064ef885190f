import { randomUUID } from 'node:crypto';
import { exportJWK, generateKeyPair, type JWTHeaderParameters, SignJWT } from 'jose';
import type { KeyRing } from '../../../src/platform/keys/key-ring.ts';
import { openConnection, send } from './connection.ts';
import type { Outcome, Target } from './target.ts';

interface TokenSettings {
  keys: KeyRing;
  userId: string;
  sessionId: string;
  /** Values that are valid elsewhere. */
  others: Record<string, string>;
}

const base64url = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Forged access tokens. */
export async function forgedTokens({ keys, userId, sessionId, others }: TokenSettings): Promise<string[]> {
  const { kid, key } = await keys.current();
  const stranger = await generateKeyPair('ES256', { extractable: true });
  const jwk = await exportJWK(stranger.publicKey);
  const ours = await keys.find(kid);
  const asSecret = Buffer.from(JSON.stringify(ours && (await exportJWK(ours))));
  const now = Math.floor(Date.now() / 1_000);
  const claims = { sub: userId, sid: sessionId, iss: 'tessera', aud: 'tessera', iat: now, exp: now + 600 };
  const header = { alg: 'ES256', typ: 'at+jwt', kid };
  type Changes = Record<string, unknown>;
  const made = (by: typeof key | Uint8Array, changed: Changes, in_: Changes = {}) =>
    new SignJWT(JSON.parse(JSON.stringify({ ...claims, ...changed })) as typeof claims)
      .setProtectedHeader(JSON.parse(JSON.stringify({ ...header, ...in_ })) as JWTHeaderParameters)
      .sign(by);
  const good = (await made(key, {})).split('.') as [string, string, string];
  const none = (alg: string) => `${base64url({ ...header, alg })}.${base64url(claims)}`;
  const wrongClaims: Changes[] = [
    ...[{ iss: 'else' }, { iss: undefined }, { aud: 'deviceLogin' }, { aud: undefined }, { exp: undefined }],
    ...[{ exp: now - 60 }, { iat: undefined }, { iat: now + 600, exp: now + 900 }, { iat: now - 900 }],
    ...[{ sid: undefined }, { sid: randomUUID() }, { sid: 7 }, { sub: undefined }, { sub: randomUUID() }],
    ...[{ nbf: now + 600 }, { sub: "' OR 1=1 --" }, { role: 'ADMIN', sub: randomUUID() }],
  ];
  const headersOfStranger: Changes[] = [
    ...[{}, { jwk }, { kid: undefined, jwk }, { jku: 'https://evil.example/jwks.json' }, { kid: 'other' }],
    ...[{ x5u: 'https://evil.example/x' }, { kid: '../../dev/null' }, { kid: '' }],
  ];
  const bent = (place: number, text: string) =>
    good.map((part, at) => (at === place ? text : part)).join('.');
  return [
    ...[
      none('none'),
      `${none('none')}.`,
      `${none('NoNe')}.`,
      `${none('none')}.${good[2]}`,
      `${none('ES384')}.${good[2]}`,
    ],
    ...(await Promise.all(wrongClaims.map((changed) => made(key, changed)))),
    ...(await Promise.all(headersOfStranger.map((in_) => made(stranger.privateKey, {}, in_)))),
    ...[await made(asSecret, {}, { alg: 'HS256' }), await made(key, {}, { typ: 'JWT' })],
    ...[await made(key, {}, { typ: undefined }), await made(key, {}, { kid: undefined })],
    ...[
      bent(1, base64url({ ...claims, sub: randomUUID() })),
      bent(2, 'A'.repeat(86)),
      bent(2, ''),
      good.slice(0, 2).join('.'),
    ],
    ...Object.values(others),
  ];
}

/** Tries forged tokens on both transports, and the valid token they are derived from. */
export async function tokens(target: Target, goodToken: string, settings: TokenSettings): Promise<Outcome[]> {
  const forged = await forgedTokens(settings);
  const accepted: string[] = [];
  for (const token of forged) {
    const { text } = await send(target.url, '{"query":"{ viewer { id } }"}', {
      authorization: `Bearer ${token}`,
    });
    if (!text.includes('UNAUTHENTICATED')) accepted.push(text.slice(0, 80));
    const connection = await openConnection(target.url, token).catch(() => undefined);
    if (connection) accepted.push(`a websocket for ${token.slice(0, 20)}`);
    connection?.close();
  }
  const { text } = await send(target.url, '{"query":"{ viewer { id } }"}', {
    authorization: `Bearer ${goodToken}`,
  });
  return [
    {
      attack: 'forged tokens over HTTP and websockets',
      figure: `${forged.length} forged, ${accepted.length} accepted ${accepted.slice(0, 2).join(' ')}`,
      bound: 'at least 40, none accepted',
      ok: forged.length >= 40 && accepted.length === 0 && text.includes(settings.userId),
    },
  ];
}
