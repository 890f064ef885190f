import type { Device, User } from '../../../generated/prisma/client.ts';
import { equalSecrets } from '../../../platform/keys/secrets.ts';
import { AuthError } from '../../kernel/auth.errors.ts';
import { DeviceError } from '../../kernel/device.errors.ts';
import type { PresentedCredential } from './device-proof.ts';

/**
 * Whether the device has registered a secret or a key, which it must then present on every login.
 */
const hasCredential = ({ secretHash, keyThumbprint }: Device) =>
  secretHash !== null || keyThumbprint !== null;

/**
 * Checks a presented credential against the registered one. A device without a credential accepts
 * any: the caller registers the first one it presents.
 *
 * @throws DeviceError DEVICE_PROOF_REQUIRED, DEVICE_PROOF_INVALID
 */
export function checkCredential(device: Device, presented: PresentedCredential | null): void {
  if (!hasCredential(device)) return;
  if (!presented) throw new DeviceError('DEVICE_PROOF_REQUIRED');
  if (!matches(device, presented)) throw new DeviceError('DEVICE_PROOF_INVALID');
}

const MOVE_MESSAGE =
  'To move this device to another account, present the secret or key that it has registered. If it has none, first log in to its own account with a link code of that account.';

/**
 * Checks that a device may move to another account: the presented credential must be the one that
 * the device registered before. Unlike for a login, the first one that it presents does not count:
 * any client that knows the identifier can make one up. The errors do not reveal whether the device
 * has a credential.
 *
 * @throws DeviceError DEVICE_PROOF_REQUIRED, DEVICE_PROOF_INVALID
 */
export function checkMove(device: Device, presented: PresentedCredential | null): void {
  if (!presented) throw new DeviceError('DEVICE_PROOF_REQUIRED', { message: MOVE_MESSAGE });
  if (!matches(device, presented)) throw new DeviceError('DEVICE_PROOF_INVALID', { message: MOVE_MESSAGE });
}

function matches({ secretHash, keyThumbprint }: Device, presented: PresentedCredential): boolean {
  if (presented.kind === 'key') return keyThumbprint === presented.keyThumbprint;
  return secretHash !== null && equalSecrets(secretHash, presented.secretHash);
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
