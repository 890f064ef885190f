import type { Services } from '../../../platform/services.ts';
import { AccessTokenError, type AccessTokenVerifier } from '../../identity/session/access-token.ts';
import { findSession, type SessionReads } from '../../identity/session/find-session.ts';
import type { Caller, TokenRejection, UserCaller } from '../../kernel/caller.ts';
import { findAgent, SERVER_TOKEN_PREFIX } from '../../network/server/find-agent.ts';

const anonymous = (refusedToken: TokenRejection | null): Caller => ({ kind: 'anonymous', refusedToken });

/**
 * The caller of an `Authorization` header whose token and session this process has found valid less
 * than a second ago; undefined if it has to be authenticated.
 */
export function recentCaller(
  { recentlyVerified, recentSessions }: AccessTokenVerifier & SessionReads,
  authorization: string,
): UserCaller | undefined {
  const subject = authorization.startsWith('Bearer ') ? recentlyVerified(authorization.slice(7)) : undefined;
  const session = subject && recentSessions.get(subject.sessionId);
  return session?.userId === subject?.userId ? session : undefined;
}

/**
 * Resolves the caller from an `Authorization` header, or from the same value in a websocket's
 * `connectionParams`. An invalid token yields an anonymous caller that carries the reason.
 */
export async function authenticate(
  services: Pick<Services, 'db' | 'cache'> & AccessTokenVerifier & SessionReads,
  authorization: string | undefined,
): Promise<Caller> {
  if (authorization === undefined || authorization === '') return anonymous(null);
  const token = /^Bearer +(\S+)$/i.exec(authorization)?.[1];
  if (token === undefined) return anonymous('INVALID');
  if (token.startsWith(SERVER_TOKEN_PREFIX))
    return (await findAgent(services, token)) ?? anonymous('INVALID');
  try {
    const { userId, sessionId } = await services.verifyAccessToken(token);
    const session = await findSession(services, sessionId);
    // The session must still belong to the account that the token was issued for.
    return session?.userId === userId ? session : anonymous('REVOKED');
  } catch (error) {
    if (error instanceof AccessTokenError) return anonymous(error.reason);
    throw error;
  }
}
