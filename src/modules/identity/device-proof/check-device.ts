import type { Device, User } from '../../../generated/prisma/client.ts';
import { equalSecrets } from '../../../platform/keys/secrets.ts';
import { AuthError } from '../../kernel/auth.errors.ts';
import { DeviceError } from '../../kernel/device.errors.ts';
import type { ShownProof } from './device-proof.ts';

/** Whether the device has shown a secret or a key at some time, and so must show it from then on. */
export const hasCredential = ({ secretHash, keyThumbprint }: Device) =>
  secretHash !== null || keyThumbprint !== null;

/**
 * A device that has neither secret nor key so far takes the first it brings.
 *
 * @throws DeviceError DEVICE_PROOF_REQUIRED, DEVICE_PROOF_INVALID
 */
export function checkProof(device: Device, proof: ShownProof | null): void {
  if (!hasCredential(device)) return;
  if (!proof) throw new DeviceError('DEVICE_PROOF_REQUIRED');
  if (!isOwn(device, proof)) throw new DeviceError('DEVICE_PROOF_INVALID');
}

function isOwn({ secretHash, keyThumbprint }: Device, proof: ShownProof): boolean {
  if (proof.kind === 'key') return keyThumbprint === proof.keyThumbprint;
  return secretHash !== null && equalSecrets(secretHash, proof.secretHash);
}

/** @throws AuthError ACCOUNT_DISABLED */
export function checkAccount({ enabled, deletedAt }: User): void {
  if (!enabled || deletedAt) throw new AuthError('ACCOUNT_DISABLED');
}

/** @throws AuthError ACCOUNT_DISABLED; DeviceError DEVICE_DISABLED */
export function checkEnabled(user: User, device: Device): void {
  checkAccount(user);
  if (!device.enabled) throw new DeviceError('DEVICE_DISABLED');
}
