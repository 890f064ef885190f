import { errors, type JWTHeaderParameters, jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import { SECOND_MS } from '../../../platform/database/clock.ts';
import { createDatabaseClock } from '../../../platform/database/database-clock.ts';
import type { KeyRing } from '../../../platform/keys/key-ring.ts';
import { required } from '../../../platform/required.ts';
import type { Services } from '../../../platform/services.ts';
import type { TokenRejection } from '../../kernel/caller.ts';

export const ACCESS_TOKEN_SECONDS = 600;

const ISSUER = 'tessera';
const TYPE = 'at+jwt';
/** For `iat` only: a token whose expiry has passed is never accepted. */
const CLOCK_TOLERANCE_SECONDS = 10;

const Claims = z.object({ sub: z.guid(), sid: z.guid(), iat: z.number(), exp: z.number() });

/** Thrown for a rejected access token. Carries the reason. */
export class AccessTokenError extends Error {
  constructor(readonly reason: TokenRejection) {
    super(`The access token is ${reason.toLowerCase()}.`);
    this.name = 'AccessTokenError';
  }
}

/**
 * Signs the access token of a session (a JWT as in RFC 9068). It carries no role and no device:
 * those are read from the session on each request, so that changes apply to tokens already issued.
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

/** The user and session that a verified access token names. */
export interface TokenSubject {
  userId: string;
  sessionId: string;
}

export interface AccessTokenVerifier {
  /**
   * Verifies signature, issuer, audience, type and age of an access token. The token expires by
   * PostgreSQL's clock, which also issued it, to the millisecond. Does not check whether its
   * session is live.
   *
   * @throws AccessTokenError EXPIRED or INVALID
   */
  verifyAccessToken: (token: string) => Promise<TokenSubject>;
  /** The subject of a token that was verified less than a second ago and has not expired since. */
  recentlyVerified: (token: string) => TokenSubject | undefined;
}

interface VerifiedToken {
  subject: TokenSubject;
  kid: string;
  /** Unix time in milliseconds. */
  expiresAt: number;
  /** Of the last verification, by `performance.now()`. */
  verifiedAt: number;
}

const RECENT_MS = SECOND_MS;
const MAX_CACHED_TOKENS = 20_000;

/**
 * Creates the token verifier of a process. It caches verified tokens, because clients send the same
 * token with every request and a valid signature stays valid. Expiry and the signing key are
 * checked on every call.
 */
export function createAccessTokenVerifier({
  db,
  signingKeys,
}: Pick<Services, 'db' | 'signingKeys'>): AccessTokenVerifier {
  const cache = new Map<string, VerifiedToken>();
  const clock = createDatabaseClock({ db });
  return {
    verifyAccessToken: async (token) => {
      const now = await clock.now();
      const cached = cache.get(token);
      if (cached && cached.expiresAt > now && (await signingKeys.find(cached.kid))) {
        cached.verifiedAt = performance.now();
        return cached.subject;
      }
      const verified = await verifySignature(signingKeys, token, now);
      if (verified.expiresAt <= now) throw new AccessTokenError('EXPIRED');
      // Clearing a full cache is cheaper than tracking which token was used least recently.
      if (cache.size >= MAX_CACHED_TOKENS) cache.clear();
      cache.set(token, verified);
      return verified.subject;
    },
    recentlyVerified: (token) => {
      const [cached, now] = [cache.get(token), clock.peek()];
      if (!cached || now === undefined || cached.expiresAt <= now) return undefined;
      return performance.now() - cached.verifiedAt < RECENT_MS ? cached.subject : undefined;
    },
  };
}

/** @param now Unix time in milliseconds */
async function verifySignature(keys: KeyRing, token: string, now: number): Promise<VerifiedToken> {
  try {
    const { payload, protectedHeader } = await jwtVerify(token, (header) => keyOf(keys, header), {
      algorithms: [keys.algorithm],
      typ: TYPE,
      issuer: ISSUER,
      audience: ISSUER,
      requiredClaims: ['sub', 'sid', 'iat', 'exp'],
      maxTokenAge: ACCESS_TOKEN_SECONDS,
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      currentDate: new Date(now),
    });
    const { sub, sid, iat, exp } = Claims.parse(payload);
    return {
      subject: { userId: sub, sessionId: sid },
      kid: required(protectedHeader.kid, 'kid of a verified access token'),
      expiresAt: Math.min(exp, iat + ACCESS_TOKEN_SECONDS) * SECOND_MS,
      verifiedAt: performance.now(),
    };
  } catch (error) {
    throw toTokenError(error);
  }
}

async function keyOf(keys: KeyRing, { kid }: JWTHeaderParameters) {
  const key = kid === undefined ? undefined : await keys.find(kid);
  if (!key) throw new AccessTokenError('INVALID');
  return key;
}

/**
 * Errors that come from neither jose nor zod (a database outage while reading keys, for example)
 * pass unchanged.
 */
function toTokenError(error: unknown): unknown {
  if (error instanceof errors.JWTExpired) return new AccessTokenError('EXPIRED');
  if (error instanceof errors.JOSEError || error instanceof z.ZodError)
    return new AccessTokenError('INVALID');
  return error;
}
