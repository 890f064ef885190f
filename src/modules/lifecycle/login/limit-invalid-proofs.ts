import type { RateLimit } from '../../../platform/redis/rate-limit.ts';
import type { Services } from '../../../platform/services.ts';
import type { DeviceLogin } from '../../identity/device-proof/device-login-input.ts';
import { DeviceError } from '../../kernel/device.errors.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { limitFailedAttempts } from '../../network/server/limit-failed-attempts.ts';
import type { OwnAddresses } from '../../network/server/own-addresses.ts';
import { findDevice } from './find-device.ts';

/** Per address only: a limit per identifier would let anyone who knows it lock the device out. */
const WRONG_PROOFS: RateLimit = { name: 'wrong-device-proof', points: 100, durationSeconds: 600 };

/**
 * Runs a device login, and counts and audits it if it fails with DEVICE_PROOF_INVALID. Attempts on
 * unknown identifiers are counted but not audited.
 *
 * @throws PlatformError RATE_LIMITED
 */
export function limitInvalidProofs<Result>(
  services: Pick<Services, 'db' | 'rateLimits'> & { ownAddresses: OwnAddresses },
  { identifier }: Pick<DeviceLogin, 'identifier'>,
  work: () => Promise<Result>,
): Promise<Result> {
  const { db } = services;
  const counted = { limit: WRONG_PROOFS, refusal: 'DEVICE_PROOF_INVALID' };
  return limitFailedAttempts(services, counted, async () => {
    try {
      return await work();
    } catch (error) {
      const isInvalidProof = error instanceof DeviceError && error.code === 'DEVICE_PROOF_INVALID';
      const device = isInvalidProof ? await findDevice({ db }, identifier) : null;
      if (device) await recordAudit(db, { action: 'deviceProofRefused', actorId: null, targetId: device.id });
      throw error;
    }
  });
}
