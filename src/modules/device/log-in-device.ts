import type { z } from 'zod';
import type { Device, Identity, User } from '../../generated/prisma/client.ts';
import { databaseNow } from '../../platform/clock.ts';
import { violatedConstraint } from '../../platform/database.ts';
import { checkInput } from '../../platform/input.ts';
import type { Services } from '../../platform/services.ts';
import { recordAudit } from '../audit/record-audit.ts';
import { announceEndedSessions } from '../auth/announce-ended-sessions.ts';
import { issueTokens, type Login } from '../auth/tokens.ts';
import { readSiteSettings } from '../site/read-site-settings.ts';
import { DeviceError } from './device.errors.ts';
import { DeviceLogin } from './device-login.ts';
import { type ShownProof, showKey, showSecret } from './device-proof.ts';
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
 * @throws AuthError ACCOUNT_DISABLED, REGISTRATION_CLOSED
 * @throws PlatformError BAD_USER_INPUT, RATE_LIMITED
 */
export async function logInDevice(
  services: LogInServices,
  input: z.input<typeof DeviceLogin>,
): Promise<Login> {
  const login = checkInput(DeviceLogin, input);
  const site = await readSiteSettings(services);
  const known = await findDevice(services, login.identifier);
  try {
    const proof = await shownProof(services, login);
    if (!proof && (site.deviceLoginProof === 'REQUIRED' || (known && hasCredential(known.device)))) {
      throw new DeviceError('DEVICE_PROOF_REQUIRED');
    }
    const started = known
      ? await resumeDevice(services, { login, proof, deviceId: known.device.id })
      : await registerUnlessKnown(services, { login, proof, site });
    await announceEndedSessions(services, started.endedSessionIds);
    return await issueTokens(services, started);
  } catch (error) {
    if (error instanceof DeviceError && error.code === 'DEVICE_PROOF_INVALID')
      await auditWrongProof(services, known);
    throw error;
  }
}

type KnownDevice = Identity & { user: User; device: Device };

async function findDevice({ db }: LogInServices, identifier: string): Promise<KnownDevice | null> {
  const identity = await db.identity.findUnique({
    where: { type_value: { type: 'DEVICE', value: identifier } },
    include: { user: true, device: true },
  });
  return identity?.device ? { ...identity, device: identity.device } : null;
}

const hasCredential = ({ secretHash, publicKey }: Device) => secretHash !== null || publicKey !== null;

async function shownProof({ db, secrets }: LogInServices, login: DeviceLogin): Promise<ShownProof | null> {
  if (login.secret) return showSecret(login.secret);
  if (!login.publicKey || !login.proof) return null;
  const { identifier, publicKey, proof } = login;
  return showKey(secrets, { identifier, publicKey, proof, now: await databaseNow(db) });
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
    return resumeDevice(services, { login, proof, deviceId: known.device.id });
  }
}

async function auditWrongProof({ db }: LogInServices, known: KnownDevice | null): Promise<void> {
  if (!known) return;
  await recordAudit(db, { action: 'deviceProofRefused', actorId: null, targetId: known.device.id });
}
