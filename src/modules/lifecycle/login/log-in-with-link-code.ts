import type { SiteSettings } from '../../../generated/prisma/client.ts';
import type { RateLimit } from '../../../platform/redis/rate-limit.ts';
import type { Services } from '../../../platform/services.ts';
import type { DeviceLogin } from '../../identity/device-proof/device-login.ts';
import type { ShownProof } from '../../identity/device-proof/device-proof.ts';
import { announce } from '../../kernel/announce.ts';
import { limitFailedAttempts } from '../../network/server/limit-failed-attempts.ts';
import { announcePlanUsers } from '../../subscription/announce-plan-users.ts';
import { bindAndStartSession } from '../binding/bind-and-start-session.ts';
import { askingForDecisions } from '../binding/binding-confirmation.ts';
import { findLinkCode, spendLinkCode } from '../binding/link-code.ts';

/** A link code has 80 random bits and lives for minutes; this keeps guessers from costing us anything. */
const WRONG_LINK_CODES: RateLimit = { name: 'wrong-link-code', points: 20, durationSeconds: 600 };

/**
 * Logs a device in to the account whose link code it has. The code is used up only when the device is bound.
 *
 * @throws AuthError LINK_CODE_INVALID, ACCOUNT_DISABLED
 * @throws DeviceError DEVICE_BOUND_ELSEWHERE, DEVICE_LIMIT_REACHED with a `confirmationToken`; those of `bindDevice`
 * @throws PlatformError RATE_LIMITED
 */
export async function joinAccount(
  services: Pick<Services, 'db' | 'secrets' | 'rateLimits' | 'pubSub'>,
  join: { login: DeviceLogin; proof: ShownProof | null; site: SiteSettings; linkCode: string },
) {
  const { db, secrets, pubSub } = services;
  const counted = { limit: WRONG_LINK_CODES, refusal: 'LINK_CODE_INVALID' };
  const bindWithCode = () =>
    db.$transaction(async (tx) => {
      const { userId } = await findLinkCode(tx, secrets, join.linkCode);
      const binding = { ...join, targetUserId: userId, isNewAccount: false, mayReplaceCredential: true };
      const bound = await bindAndStartSession(tx, binding);
      await spendLinkCode(tx, secrets, join.linkCode);
      return bound;
    });
  const started = await limitFailedAttempts(services, counted, () =>
    askingForDecisions(services, bindWithCode),
  );
  announce({ pubSub }, { userIds: started.changedUserIds });
  if (started.changedUserIds.length > 1) await announcePlanUsers(services, started.changedUserIds);
  return started;
}
