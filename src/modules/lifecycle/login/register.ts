import { z } from 'zod';
import { type Transaction, violatedConstraint } from '../../../platform/database/database.ts';
import { checkInput } from '../../../platform/input.ts';
import { addressKey } from '../../../platform/redis/rate-limit.ts';
import { requestScope } from '../../../platform/request-scope.ts';
import type { Services } from '../../../platform/services.ts';
import { readSiteSettings } from '../../catalog/site/read-site-settings.ts';
import { EmailAddress, hashPassword, NewPassword } from '../../identity/credentials/password.ts';
import { invalidateSessions } from '../../identity/session/invalidate-sessions.ts';
import { startSession } from '../../identity/session/start-session.ts';
import { issueTokens, type Login } from '../../identity/session/tokens.ts';
import { announce } from '../../kernel/announce.ts';
import { AuthError } from '../../kernel/auth.errors.ts';
import { announcePlanUsers } from '../../subscription/announce-plan-users.ts';
import { grantTrial } from '../../subscription/grant-trial.ts';
import { bindAndStartSession } from '../binding/bind-and-start-session.ts';
import { askingForDecisions } from '../binding/binding-confirmation.ts';
import { DeviceToBind } from '../binding/device-to-bind.ts';
import { type ShownDevice, showDevice } from './accompanying-device.ts';
import { NEW_USERS } from './register-device.ts';

const Registration = z.object({ email: EmailAddress, password: NewPassword, device: DeviceToBind });

type RegisterServices = Pick<Services, 'db' | 'cache' | 'pubSub' | 'rateLimits' | 'secrets' | 'signingKeys'>;

/**
 * Makes an account with an e-mail address, and binds the device that comes with it. A device of another account brings
 * that along, once it was confirmed, if it was the last way into it.
 *
 * @throws AuthError EMAIL_TAKEN, REGISTRATION_CLOSED
 * @throws DeviceError DEVICE_BOUND_ELSEWHERE with a `confirmationToken`; those of `bindDevice`
 * @throws PlatformError BAD_USER_INPUT, RATE_LIMITED
 */
export async function register(
  services: RegisterServices,
  input: z.input<typeof Registration>,
): Promise<Login> {
  const { email, password, device } = checkInput(Registration, input);
  const site = await readSiteSettings(services);
  if (!site.registrationEnabled) throw new AuthError('REGISTRATION_CLOSED');
  await services.rateLimits.consume(NEW_USERS, addressKey(requestScope()?.ip ?? ''));
  const passwordHash = await hashPassword(password);
  return showDevice(services, device, async (shown) => {
    const made = await askingForDecisions(services, () =>
      services.db
        .$transaction((tx) => makeAccount(tx, { email, passwordHash, shown, site }))
        .catch(refuseTakenEmail),
    );
    await invalidateSessions(services, made.endedSessionIds);
    announce(services, { userIds: made.changedUserIds });
    await announcePlanUsers(services, [made.user.id]);
    return issueTokens(services, made);
  });
}

interface NewAccount {
  email: string;
  passwordHash: string;
  shown: ShownDevice | null;
  site: Awaited<ReturnType<typeof readSiteSettings>>;
}

async function makeAccount(tx: Transaction, { email, passwordHash, shown, site }: NewAccount) {
  const user = await tx.user.create({ data: {} });
  await tx.identity.create({ data: { userId: user.id, type: 'EMAIL', value: email, passwordHash } });
  const binding = { targetUserId: user.id, isNewAccount: true, mayReplaceCredential: false, site };
  const started = shown
    ? await bindAndStartSession(tx, { ...binding, ...shown })
    : {
        user,
        device: null,
        changedUserIds: [],
        ...(await startSession(tx, { userId: user.id, deviceId: null })),
      };
  // Whoever brings a device that had an account is no new customer.
  if (started.changedUserIds.length < 2) await grantTrial(tx, { userId: user.id, site });
  return started;
}

function refuseTakenEmail(error: unknown): never {
  throw violatedConstraint(error) === 'identities_type_value_key' ? new AuthError('EMAIL_TAKEN') : error;
}
