import type { Services } from '../../../platform/services.ts';
import { DeviceLogin } from '../../identity/device-proof/device-login.ts';
import { type ShownProof, showProof } from '../../identity/device-proof/device-proof.ts';
import { limitInvalidProofs } from './limit-invalid-proofs.ts';

/** Input for the device that a password login binds; optional. */
export const AccompanyingDeviceInput = DeviceLogin.nullish().refine((device) => !device?.linkCode, {
  path: ['linkCode'],
  message: 'must be absent: the password already selects the account',
});

/** A device that a password login binds, with its verified proof. */
export interface AccompanyingDevice {
  login: DeviceLogin;
  proof: ShownProof | null;
}

/**
 * Verifies the proof of the device, if there is one, and runs the work with it. Invalid proofs are
 * rate limited and audited, whether they fail here or in the work.
 *
 * @throws DeviceError DEVICE_PROOF_INVALID; PlatformError RATE_LIMITED
 */
export function withAccompanyingDevice<Result>(
  services: Pick<Services, 'db' | 'rateLimits' | 'secrets'>,
  login: DeviceLogin | null | undefined,
  work: (device: AccompanyingDevice | null) => Promise<Result>,
): Promise<Result> {
  if (!login) return work(null);
  return limitInvalidProofs(services, login, async () =>
    work({ login, proof: await showProof(services, login) }),
  );
}
