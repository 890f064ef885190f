import type { Device, Session, User } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';
import { roleOfSession } from '../../kernel/live-session.ts';
import { signAccessToken } from './access-token.ts';
import { refreshTokenOf } from './refresh-token.ts';

/** The result of a login or a refresh. */
export interface Login {
  accessToken: string;
  accessTokenExpiresAt: Date;
  refreshToken: string;
  /** With the role of the session. */
  user: User;
  device: Device | null;
}

/** Issues an access token and the refresh token of the session's current generation. */
export async function issueTokens(
  { signingKeys, secrets }: Pick<Services, 'signingKeys' | 'secrets'>,
  { session, user, device }: { session: Session; user: User; device: Device | null },
): Promise<Login> {
  const token = await signAccessToken(signingKeys, {
    userId: session.userId,
    sessionId: session.id,
    issuedAt: session.lastSeenAt,
  });
  const refreshToken = refreshTokenOf(secrets, {
    sessionId: session.id,
    refreshSeed: session.refreshSeed,
    generation: session.refreshGeneration,
  });
  const role = roleOfSession(user.role, session.deviceId);
  return { ...token, refreshToken, user: { ...user, role }, device };
}
