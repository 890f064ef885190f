import type { Services } from '../../../platform/services.ts';
import { type DeviceLogin, DeviceLoginSchema } from '../../identity/device-proof/device-login-input.ts';
import { type PresentedCredential, verifyCredential } from '../../identity/device-proof/device-proof.ts';
import type { OwnAddresses } from '../../network/server/own-addresses.ts';
import { limitInvalidProofs } from './limit-invalid-proofs.ts';

/** Input for the device that a password login binds; optional. */
export const AccompanyingDeviceInput = DeviceLoginSchema.nullish().refine((device) => !device?.linkCode, {
  path: ['linkCode'],
  message: 'must be absent: the password already selects the account',
});

/** A device that a password login binds, with its verified proof. */
export interface AccompanyingDevice {
  login: DeviceLogin;
  proof: PresentedCredential | null;
}

/**
 * Verifies the proof of the device, if there is one, and runs the work with it. Invalid proofs are
 * rate limited and audited, whether they fail here or in the work.
 *
 * @throws DeviceError DEVICE_PROOF_INVALID; PlatformError RATE_LIMITED
 */
export function withAccompanyingDevice<Result>(
  services: Pick<Services, 'db' | 'rateLimits' | 'secrets'> & { ownAddresses: OwnAddresses },
  login: DeviceLogin | null | undefined,
  work: (device: AccompanyingDevice | null) => Promise<Result>,
): Promise<Result> {
  if (!login) return work(null);
  return limitInvalidProofs(services, login, async () =>
    work({ login, proof: await verifyCredential(services, login) }),
  );
}
