import type { SiteSettings } from '../../../generated/prisma/client.ts';
import type { RateLimit } from '../../../platform/redis/rate-limit.ts';
import type { Services } from '../../../platform/services.ts';
import type { DeviceLogin } from '../../identity/device-proof/device-login-input.ts';
import type { PresentedCredential } from '../../identity/device-proof/device-proof.ts';
import { announce } from '../../kernel/announce.ts';
import { limitFailedAttempts } from '../../network/server/limit-failed-attempts.ts';
import type { OwnAddresses } from '../../network/server/own-addresses.ts';
import { announcePlanUsers } from '../../subscription/announce-plan-users.ts';
import { bindAndStartSession } from '../binding/bind-and-start-session.ts';
import { withConfirmationToken } from '../binding/binding-confirmation.ts';
import { findLinkCode, normalizeLinkCode } from '../binding/link-code.ts';

/** Link codes have 80 random bits. The limit only keeps failed attempts cheap. */
const WRONG_LINK_CODES: RateLimit = { name: 'wrong-link-code', points: 20, durationSeconds: 600 };

/**
 * Binds a device to the account of a link code, and starts its session. The code is consumed in the
 * same transaction, so it stays valid when the login fails or needs confirmation.
 *
 * @throws AuthError LINK_CODE_INVALID, ACCOUNT_DISABLED
 * @throws DeviceError DEVICE_BOUND_ELSEWHERE, DEVICE_LIMIT_REACHED with a `confirmationToken`; the
 *   other errors of `bindDevice`
 * @throws PlatformError RATE_LIMITED after too many invalid codes from one address
 */
export async function logInWithLinkCode(
  services: Pick<Services, 'db' | 'secrets' | 'rateLimits' | 'pubSub'> & { ownAddresses: OwnAddresses },
  device: { login: DeviceLogin; proof: PresentedCredential | null; site: SiteSettings; linkCode: string },
) {
  const { db, secrets, pubSub } = services;
  const code = normalizeLinkCode(device.linkCode);
  const counted = { limit: WRONG_LINK_CODES, refusal: 'LINK_CODE_INVALID' };
  const bindWithCode = () =>
    db.$transaction(async (tx) => {
      const { id: linkCodeId, userId } = await findLinkCode(tx, secrets, code);
      const joining = { isNewAccount: false, mayReplaceCredential: true, linkCodeId };
      const binding = { ...device, ...joining, targetUserId: userId };
      return bindAndStartSession(tx, secrets, binding);
    });
  const started = await limitFailedAttempts(services, counted, () =>
    withConfirmationToken(services, bindWithCode),
  );
  announce({ pubSub }, { userIds: started.changedUserIds });
  if (started.changedUserIds.length > 1) await announcePlanUsers(services, started.changedUserIds);
  return started;
}
