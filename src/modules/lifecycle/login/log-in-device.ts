import type { z } from 'zod';
import { violatedConstraint } from '../../../platform/database/database.ts';
import { checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { readSiteSettings } from '../../catalog/site/read-site-settings.ts';
import { checkCredential } from '../../identity/device-proof/check-device.ts';
import { DeviceLoginSchema } from '../../identity/device-proof/device-login-input.ts';
import { verifyCredential } from '../../identity/device-proof/device-proof.ts';
import { invalidateSessions } from '../../identity/session/invalidate-sessions.ts';
import { issueTokens, type Login } from '../../identity/session/issue-tokens.ts';
import { DeviceError } from '../../kernel/device.errors.ts';
import type { OwnAddresses } from '../../network/server/own-addresses.ts';
import { findDevice } from './find-device.ts';
import { limitDeviceLogins, limitDeviceLoginsFrom } from './limit-device-logins.ts';
import { limitInvalidProofs } from './limit-invalid-proofs.ts';
import { logInWithLinkCode } from './log-in-with-link-code.ts';
import { registerDevice } from './register-device.ts';
import { resumeDevice } from './resume-device.ts';

type LogInServices = Pick<Services, 'db' | 'cache' | 'pubSub' | 'rateLimits' | 'secrets' | 'signingKeys'> & {
  ownAddresses: OwnAddresses;
};

/**
 * Logs a device in by its identifier and its credential. A link code makes the device join the
 * account of the code; otherwise an unknown device gets a new account.
 *
 * Idempotent: a first login that is retried after a lost response finds the account it created.
 *
 * @throws DeviceError DEVICE_PROOF_REQUIRED, DEVICE_PROOF_INVALID (audited), DEVICE_DISABLED; with
 *   a link code also DEVICE_BOUND_ELSEWHERE, DEVICE_LIMIT_REACHED
 * @throws AuthError ACCOUNT_DISABLED, REGISTRATION_CLOSED, LINK_CODE_INVALID
 * @throws PlatformError BAD_USER_INPUT; RATE_LIMITED after too many logins of the device or from
 *   the address
 */
export async function logInDevice(
  services: LogInServices,
  input: z.input<typeof DeviceLoginSchema>,
): Promise<Login> {
  const login = checkInput(DeviceLoginSchema, input);
  await limitDeviceLoginsFrom(services);
  const site = await readSiteSettings(services);
  return limitInvalidProofs(services, login, async () => {
    const proof = await verifyCredential(services, login);
    const started = login.linkCode
      ? await logInWithLinkCode(services, { login, proof, site, linkCode: login.linkCode })
      : await logInWithoutLinkCode(services, { login, proof, site });
    await invalidateSessions(services, started.endedSessionIds);
    return issueTokens(services, started);
  });
}

/** Logs a registered device in to its account, and registers any other one. */
async function logInWithoutLinkCode(
  services: LogInServices,
  registration: Parameters<typeof registerDevice>[1],
) {
  const { login, proof, site } = registration;
  const registered = await findDevice(services, login.identifier);
  if (!proof && site.deviceLoginProof === 'REQUIRED') throw new DeviceError('DEVICE_PROOF_REQUIRED');
  if (!registered) return registerOrResume(services, registration);
  checkCredential(registered, proof);
  await limitDeviceLogins(services, registered.id);
  return resumeDevice(services, { login, proof, deviceId: registered.id });
}

/** Of concurrent first logins one registers the device; the others fall back to a normal login. */
async function registerOrResume(services: LogInServices, registration: Parameters<typeof registerDevice>[1]) {
  const { login, proof } = registration;
  try {
    return await registerDevice(services, registration);
  } catch (error) {
    if (violatedConstraint(error) !== 'identities_type_value_key') throw error;
    const registered = await findDevice(services, login.identifier);
    if (!registered) throw error;
    return resumeDevice(services, { login, proof, deviceId: registered.id });
  }
}
