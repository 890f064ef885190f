import { z } from 'zod';
import type { Transaction } from '../../../platform/database/database.ts';
import { checkInput } from '../../../platform/input.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import type { Services } from '../../../platform/services.ts';
import { readSiteSettings } from '../../catalog/site/read-site-settings.ts';
import { EmailAddress } from '../../identity/credentials/email-address.ts';
import { hashPassword, NewPassword } from '../../identity/credentials/password.ts';
import { addIdentity } from '../../identity/history/add-identity.ts';
import { invalidateSessions } from '../../identity/session/invalidate-sessions.ts';
import { issueTokens, type Login } from '../../identity/session/issue-tokens.ts';
import { startSession } from '../../identity/session/start-session.ts';
import { announce } from '../../kernel/announce.ts';
import { AuthError } from '../../kernel/auth.errors.ts';
import type { OwnAddresses } from '../../network/server/own-addresses.ts';
import { announcePlanUsers } from '../../subscription/announce-plan-users.ts';
import { grantTrial } from '../../subscription/grant-trial.ts';
import { bindAndStartSession } from '../binding/bind-and-start-session.ts';
import { withConfirmationToken } from '../binding/binding-confirmation.ts';
import {
  type AccompanyingDevice,
  AccompanyingDeviceInput,
  withAccompanyingDevice,
} from './accompanying-device.ts';
import { throwEmailTakenOnConflict } from './add-email.ts';
import { limitNewAccounts } from './register-device.ts';

const Registration = z.object({
  email: EmailAddress,
  password: NewPassword,
  device: AccompanyingDeviceInput,
});

type RegisterServices = Pick<
  Services,
  'db' | 'cache' | 'pubSub' | 'rateLimits' | 'secrets' | 'signingKeys'
> & { ownAddresses: OwnAddresses };

/**
 * Creates an account with an e-mail address and a password, and binds the accompanying device if
 * there is one. If the device is the last identity of another account, that account is merged into
 * the new one after confirmation.
 *
 * @throws AuthError EMAIL_TAKEN, REGISTRATION_CLOSED
 * @throws DeviceError DEVICE_BOUND_ELSEWHERE with a `confirmationToken`; the other errors of
 *   `bindDevice`
 * @throws PlatformError BAD_USER_INPUT, RATE_LIMITED
 */
export async function register(
  services: RegisterServices,
  input: z.input<typeof Registration>,
): Promise<Login> {
  const { email, password, device } = checkInput(Registration, input);
  const site = await readSiteSettings(services);
  if (!site.registrationEnabled) throw new AuthError('REGISTRATION_CLOSED');
  await limitNewAccounts(services);
  const passwordHash = await hashPassword(password);
  return withAccompanyingDevice(services, device, async (accompanying) => {
    const created = await withConfirmationToken(services, () =>
      services.db
        .$transaction((tx) =>
          createAccount(tx, services.secrets, { email, passwordHash, accompanying, site }),
        )
        .catch(throwEmailTakenOnConflict),
    );
    await invalidateSessions(services, created.endedSessionIds);
    announce(services, { userIds: created.changedUserIds });
    await announcePlanUsers(services, [created.user.id]);
    return issueTokens(services, created);
  });
}

interface NewAccount {
  email: string;
  passwordHash: string;
  accompanying: AccompanyingDevice | null;
  site: Awaited<ReturnType<typeof readSiteSettings>>;
}

async function createAccount(
  tx: Transaction,
  secrets: Secrets,
  { email, passwordHash, accompanying, site }: NewAccount,
) {
  const user = await tx.user.create({ data: {} });
  await addIdentity(tx, secrets, { userId: user.id, type: 'EMAIL', value: email, passwordHash });
  const binding = { targetUserId: user.id, isNewAccount: true, mayReplaceCredential: false, site };
  const started = accompanying
    ? await bindAndStartSession(tx, secrets, { ...binding, ...accompanying })
    : {
        user,
        device: null,
        changedUserIds: [],
        ...(await startSession(tx, { userId: user.id, deviceId: null })),
      };
  await grantTrial(tx, { userId: user.id, site });
  return started;
}
