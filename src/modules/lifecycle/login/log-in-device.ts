import type { z } from 'zod';
import type { Device } from '../../../generated/prisma/client.ts';
import { violatedConstraint } from '../../../platform/database/database.ts';
import { checkInput } from '../../../platform/input.ts';
import type { RateLimit } from '../../../platform/redis/rate-limit.ts';
import type { Services } from '../../../platform/services.ts';
import { readSiteSettings } from '../../catalog/site/read-site-settings.ts';
import { hasCredential } from '../../identity/device-proof/check-device.ts';
import { DeviceLogin } from '../../identity/device-proof/device-login.ts';
import { showProof } from '../../identity/device-proof/device-proof.ts';
import { invalidateSessions } from '../../identity/session/invalidate-sessions.ts';
import { issueTokens, type Login } from '../../identity/session/tokens.ts';
import { DeviceError } from '../../kernel/device.errors.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { limitFailedAttempts } from '../../network/server/limit-failed-attempts.ts';
import { joinAccount } from './log-in-with-link-code.ts';
import { registerDevice } from './register-device.ts';
import { resumeDevice } from './resume-device.ts';

type LogInServices = Pick<Services, 'db' | 'cache' | 'pubSub' | 'rateLimits' | 'secrets' | 'signingKeys'>;

/**
 * Logs a device in by its identifier and what proves that it is the one which registered. An unknown one
 * gets an account of its own.
 *
 * A first login whose answer was lost is simply repeated: it finds the account that it made.
 *
 * @throws DeviceError DEVICE_PROOF_REQUIRED, DEVICE_PROOF_INVALID (audited), DEVICE_DISABLED
 * @throws DeviceError DEVICE_BOUND_ELSEWHERE, DEVICE_LIMIT_REACHED when it joins an account by a link code
 * @throws AuthError ACCOUNT_DISABLED, REGISTRATION_CLOSED, LINK_CODE_INVALID
 * @throws PlatformError BAD_USER_INPUT, RATE_LIMITED
 */
export async function logInDevice(
  services: LogInServices,
  input: z.input<typeof DeviceLogin>,
): Promise<Login> {
  const login = checkInput(DeviceLogin, input);
  const site = await readSiteSettings(services);
  return auditingWrongProofs(services, login, async () => {
    const proof = await showProof(services, login);
    const started = login.linkCode
      ? await joinAccount(services, { login, proof, site, linkCode: login.linkCode })
      : await logInAlone(services, { login, proof, site });
    await invalidateSessions(services, started.endedSessionIds);
    return issueTokens(services, started);
  });
}

/** A device that is known resumes its account; any other one gets an account of its own. */
async function logInAlone(services: LogInServices, registration: Parameters<typeof registerDevice>[1]) {
  const { login, proof, site } = registration;
  const known = await findDevice(services, login.identifier);
  if (!proof && (site.deviceLoginProof === 'REQUIRED' || (known && hasCredential(known)))) {
    throw new DeviceError('DEVICE_PROOF_REQUIRED');
  }
  if (known) return resumeDevice(services, { login, proof, deviceId: known.id });
  return registerUnlessKnown(services, registration);
}

async function findDevice({ db }: Pick<Services, 'db'>, identifier: string): Promise<Device | null> {
  const identity = await db.identity.findUnique({
    where: { type_value: { type: 'DEVICE', value: identifier } },
    include: { device: true },
  });
  return identity?.device ?? null;
}

/** Of two first logins at once the second finds the device of the first. */
async function registerUnlessKnown(
  services: LogInServices,
  registration: Parameters<typeof registerDevice>[1],
) {
  const { login, proof } = registration;
  try {
    return await registerDevice(services, registration);
  } catch (error) {
    if (violatedConstraint(error) !== 'identities_type_value_key') throw error;
    const known = await findDevice(services, login.identifier);
    if (!known) throw error;
    return resumeDevice(services, { login, proof, deviceId: known.id });
  }
}

/** From one address. Not by identifier: whoever knows one could lock its device out. */
const WRONG_PROOFS: RateLimit = { name: 'wrong-device-proof', points: 100, durationSeconds: 600 };

/**
 * Somebody who knows an identifier and not its secret is worth a line in the audit log, and has only so many tries.
 *
 * @throws PlatformError RATE_LIMITED
 */
export function auditingWrongProofs<Result>(
  services: Pick<Services, 'db' | 'rateLimits'>,
  { identifier }: Pick<DeviceLogin, 'identifier'>,
  work: () => Promise<Result>,
): Promise<Result> {
  const { db } = services;
  const counted = { limit: WRONG_PROOFS, refusal: 'DEVICE_PROOF_INVALID' };
  return limitFailedAttempts(services, counted, async () => {
    try {
      return await work();
    } catch (error) {
      const isWrongProof = error instanceof DeviceError && error.code === 'DEVICE_PROOF_INVALID';
      const known = isWrongProof ? await findDevice({ db }, identifier) : null;
      if (known) await recordAudit(db, { action: 'deviceProofRefused', actorId: null, targetId: known.id });
      throw error;
    }
  });
}
