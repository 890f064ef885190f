import { errors, type JWTHeaderParameters, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { SECOND_MS } from '../../../platform/database/clock.ts';
import type { KeyRing } from '../../../platform/keys/key-ring.ts';
import type { TokenRejection } from '../../kernel/caller.ts';

/** How long an access token is believed. */
export const ACCESS_TOKEN_SECONDS = 600;

const ISSUER = 'tessera';
const TYPE = 'at+jwt';
const CLOCK_TOLERANCE_SECONDS = 10;

const Claims = z.object({ sub: z.guid(), sid: z.guid(), iat: z.number(), exp: z.number() });

/** The token was not believed, and why. */
export class AccessTokenError extends Error {
  constructor(readonly fault: TokenRejection) {
    super(`The access token is ${fault.toLowerCase()}.`);
    this.name = 'AccessTokenError';
  }
}

/**
 * Makes the token of a session (RFC 9068). It names the session and nothing else that matters: role and
 * device are read from the session at each request.
 *
 * @param issuedAt by PostgreSQL's clock
 */
export async function signAccessToken(
  keys: KeyRing,
  { userId, sessionId, issuedAt }: { userId: string; sessionId: string; issuedAt: Date },
): Promise<{ accessToken: string; accessTokenExpiresAt: Date }> {
  const { kid, key } = await keys.current();
  const iat = Math.floor(issuedAt.getTime() / SECOND_MS);
  const exp = iat + ACCESS_TOKEN_SECONDS;
  const accessToken = await new SignJWT({ sid: sessionId })
    .setProtectedHeader({ alg: keys.algorithm, typ: TYPE, kid })
    .setSubject(userId)
    .setIssuer(ISSUER)
    .setAudience(ISSUER)
    .setIssuedAt(iat)
    .setExpirationTime(exp)
    .sign(key);
  return { accessToken, accessTokenExpiresAt: new Date(exp * SECOND_MS) };
}

/**
 * Believes a token only if one of our keys has signed it, for us, and it is not too old.
 *
 * @throws AccessTokenError EXPIRED or INVALID
 */
export async function verifyAccessToken(
  keys: KeyRing,
  token: string,
): Promise<{ userId: string; sessionId: string }> {
  const tokens = tokensOf(keys);
  const known = tokens.get(token);
  if (known && known.expiresAt > Date.now() && (await keys.find(known.kid))) return known.names;
  const verified = await verifySignature(keys, token);
  // Beginning anew is cheaper than knowing which one was used last.
  if (tokens.size >= KEPT_TOKENS) tokens.clear();
  tokens.set(token, verified);
  return verified.names;
}

interface VerifiedToken {
  names: { userId: string; sessionId: string };
  kid: string;
  /** Milliseconds. */
  expiresAt: number;
}

/** An app shows one token again and again, and a signature that was good stays so; time and key are looked at anew. */
const verifiedTokens = new WeakMap<KeyRing, Map<string, VerifiedToken>>();
const KEPT_TOKENS = 20_000;

function tokensOf(keys: KeyRing): Map<string, VerifiedToken> {
  const tokens = verifiedTokens.get(keys) ?? new Map<string, VerifiedToken>();
  verifiedTokens.set(keys, tokens);
  return tokens;
}

async function verifySignature(keys: KeyRing, token: string): Promise<VerifiedToken> {
  try {
    const { payload, protectedHeader } = await jwtVerify(token, (header) => keyOf(keys, header), {
      algorithms: [keys.algorithm],
      typ: TYPE,
      issuer: ISSUER,
      audience: ISSUER,
      requiredClaims: ['sub', 'sid', 'iat', 'exp'],
      maxTokenAge: ACCESS_TOKEN_SECONDS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
    });
    const { sub, sid, iat, exp } = Claims.parse(payload);
    const names = { userId: sub, sessionId: sid };
    const expiresAt = Math.min(exp, iat + ACCESS_TOKEN_SECONDS) * SECOND_MS;
    return { names, kid: protectedHeader.kid ?? '', expiresAt };
  } catch (error) {
    throw asFault(error);
  }
}

async function keyOf(keys: KeyRing, { kid }: JWTHeaderParameters) {
  const key = kid === undefined ? undefined : await keys.find(kid);
  if (!key) throw new AccessTokenError('INVALID');
  return key;
}

/** What neither jose nor zod has said about the token is an outage, and goes on as one. */
function asFault(error: unknown): unknown {
  if (error instanceof errors.JWTExpired) return new AccessTokenError('EXPIRED');
  if (error instanceof errors.JOSEError || error instanceof z.ZodError)
    return new AccessTokenError('INVALID');
  return error;
}
