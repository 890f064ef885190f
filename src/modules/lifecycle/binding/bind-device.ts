import {
  type Device,
  type Identity,
  Prisma,
  type SiteSettings,
  type User,
} from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import { type Transaction, violatedConstraint } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import { createDevice } from '../../identity/device/create-device.ts';
import { deleteDeviceRows } from '../../identity/device/delete-device-rows.ts';
import { readDeviceLimit } from '../../identity/device/device-limit.ts';
import {
  checkAccount,
  checkCredential,
  checkEnabled,
  checkMove,
} from '../../identity/device-proof/check-device.ts';
import { spendChallenge } from '../../identity/device-proof/device-challenge.ts';
import { credentialColumns, lastLoginColumns } from '../../identity/device-proof/device-fields.ts';
import type { DeviceLogin } from '../../identity/device-proof/device-login-input.ts';
import type { PresentedCredential } from '../../identity/device-proof/device-proof.ts';
import { DeviceError } from '../../kernel/device.errors.ts';
import { lockUsers } from '../../kernel/locks.ts';
import {
  type BindingIntent,
  type ConfirmationKind,
  ConfirmationRequired,
  consumeConfirmationToken,
} from './binding-confirmation.ts';
import { consumeLinkCode } from './link-code.ts';
import { moveDevice } from './move-device.ts';

/** A device and the account to bind it to. */
export interface Binding {
  targetUserId: string;
  /** Whether this transaction has created the account. */
  isNewAccount: boolean;
  login: DeviceLogin;
  proof: PresentedCredential | null;
  site: SiteSettings;
  /** Set by a login with a link code: the account's own device may replace a lost secret or key. */
  mayReplaceCredential: boolean;
  /** The link code of the login, if it has one. The binding consumes it. */
  linkCodeId?: string;
}

/** A device that now belongs to the account. */
export interface BoundDevice {
  user: User;
  device: Device;
  endedSessionIds: string[];
  /** Accounts whose devices or subscriptions changed. */
  changedUserIds: string[];
}

/**
 * Binds a device to an account, inside the transaction of the login: registers an unknown device,
 * leaves one that already belongs to the account, and moves one of another account after
 * confirmation, if it presents the credential that it has registered. Locks both users and counts
 * the devices under these locks.
 *
 * @throws DeviceError DEVICE_PROOF_REQUIRED, DEVICE_PROOF_INVALID, DEVICE_DISABLED
 * @throws AuthError ACCOUNT_DISABLED; LINK_CODE_INVALID when a concurrent call used or revoked it
 * @throws ConfirmationRequired when the device belongs to another account or the device limit is
 *   reached; callers wrap the transaction in `withConfirmationToken`
 * @throws PlatformError NOT_FOUND when the account has no device `replaceDeviceId`;
 *   SERVICE_UNAVAILABLE when a concurrent login has moved or registered the device
 */
export async function bindDevice(tx: Transaction, secrets: Secrets, binding: Binding): Promise<BoundDevice> {
  const { targetUserId, login, proof } = binding;
  const registered = await lockBothUsers(tx, binding);
  const user = await tx.user.findUniqueOrThrow({ where: { id: targetUserId } });
  checkAccount(user);
  if (!proof && binding.site.deviceLoginProof === 'REQUIRED') throw new DeviceError('DEVICE_PROOF_REQUIRED');
  if (proof?.kind === 'key') await spendChallenge(tx, proof);
  const intent = intentOf(binding, registered);
  const confirmed = await consumeConfirmationToken(tx, { intent, token: login.confirmationToken });
  if (binding.linkCodeId !== undefined) await consumeLinkCode(tx, binding.linkCodeId);
  const confirmedBinding = { secrets, binding, intent, confirmed };
  const bound = await registerOrMove(tx, registered, confirmedBinding);
  const isAdded = registered?.userId !== targetUserId;
  const replaced = isAdded ? await ensureDeviceLimit(tx, bound.device.id, confirmedBinding) : [];
  return { ...bound, user, endedSessionIds: [...bound.endedSessionIds, ...replaced] };
}

type RegisteredDevice = Identity & { user: User; device: Device };

interface ConfirmedBinding {
  secrets: Secrets;
  binding: Binding;
  intent: BindingIntent;
  confirmed: readonly ConfirmationKind[];
}

const intentOf = (
  { targetUserId, isNewAccount, login, linkCodeId }: Binding,
  registered: RegisteredDevice | null,
): BindingIntent => ({
  identifier: login.identifier,
  targetUserId: isNewAccount ? null : targetUserId,
  ownerId: registered && registered.userId !== targetUserId ? registered.userId : null,
  linkCodeId: linkCodeId ?? null,
  confirmed: [],
});

/** Locks the target account and the current owner in one statement, then reads the device again. */
async function lockBothUsers(
  tx: Transaction,
  { targetUserId, login }: Binding,
): Promise<RegisteredDevice | null> {
  const before = await findRegistered(tx, login.identifier);
  await lockUsers(tx, [targetUserId, ...(before ? [before.userId] : [])]);
  const registered = await findRegistered(tx, login.identifier);
  // The device moved before the locks were granted, so its current owner is not locked.
  if (registered && registered.userId !== targetUserId && registered.userId !== before?.userId) {
    throw new PlatformError('SERVICE_UNAVAILABLE');
  }
  return registered;
}

async function findRegistered(tx: Transaction, identifier: string): Promise<RegisteredDevice | null> {
  const identity = await tx.identity.findUnique({
    where: { type_value: { type: 'DEVICE', value: identifier } },
    include: { user: true, device: true },
  });
  return identity?.device ? { ...identity, device: identity.device } : null;
}

async function registerOrMove(
  tx: Transaction,
  registered: RegisteredDevice | null,
  confirmedBinding: ConfirmedBinding,
): Promise<Omit<BoundDevice, 'user'>> {
  const { secrets, binding } = confirmedBinding;
  const { targetUserId: userId, login, proof, mayReplaceCredential } = binding;
  if (!registered) {
    const created = createDevice(tx, secrets, { userId, login, credential: proof });
    const device = await created.catch(throwRetryableOnConflict);
    return { device, endedSessionIds: [], changedUserIds: [userId] };
  }
  const isOwn = registered.userId === userId;
  if (!isOwn) checkMove(registered.device, proof);
  else if (!mayReplaceCredential) checkCredential(registered.device, proof);
  checkEnabled(registered.user, registered.device);
  const moved = isOwn
    ? { endedSessionIds: [], changedUserIds: [userId] }
    : await moveConfirmed(tx, registered, confirmedBinding);
  return { ...moved, device: await writeLogin(tx, registered.device, binding) };
}

/** A concurrent first login has registered the device; a retry finds its account. */
function throwRetryableOnConflict(error: unknown): never {
  const isConflict = violatedConstraint(error) === 'identities_type_value_key';
  throw isConflict ? new PlatformError('SERVICE_UNAVAILABLE') : error;
}

async function writeLogin(tx: Transaction, { id }: Device, binding: Binding): Promise<Device> {
  const { login, proof, mayReplaceCredential } = binding;
  // Clears both kinds of credential: the new one may be a key where the lost one was a secret.
  const cleared =
    mayReplaceCredential && proof ? { secretHash: null, publicKey: Prisma.DbNull, keyThumbprint: null } : {};
  const lastSeenAt = await databaseNow(tx);
  return tx.device.update({
    where: { id },
    data: { ...cleared, ...lastLoginColumns(login), ...credentialColumns(proof), lastSeenAt },
  });
}

function moveConfirmed(
  tx: Transaction,
  registered: RegisteredDevice,
  { binding, intent, confirmed }: ConfirmedBinding,
) {
  const intoId = binding.targetUserId;
  if (!confirmed.includes('DEVICE_BOUND_ELSEWHERE')) {
    // A new account is rolled back, and the pending binding must refer to a user that exists.
    const userId = binding.isNewAccount ? registered.userId : intoId;
    throw new ConfirmationRequired('DEVICE_BOUND_ELSEWHERE', userId, intent);
  }
  return moveDevice(tx, registered.device, intoId);
}

/**
 * Checks the device limit of the account. A confirmed replacement skips the count, because it
 * does not add a device, even when the account is over a limit that was lowered.
 *
 * @returns the ids of the revoked sessions of the replaced device
 */
async function ensureDeviceLimit(
  tx: Transaction,
  deviceId: string,
  { secrets, binding, intent, confirmed }: ConfirmedBinding,
): Promise<string[]> {
  const { targetUserId: userId, site, login } = binding;
  if (confirmed.includes('DEVICE_LIMIT_REACHED') && login.replaceDeviceId) {
    return replaceDevice(tx, secrets, { userId, deviceId, replacedId: login.replaceDeviceId });
  }
  const limit = await readDeviceLimit(tx, { userId, site });
  if (limit !== null && (await tx.device.count({ where: { userId } })) > limit) {
    // A new account has no other device to replace.
    if (binding.isNewAccount) throw new DeviceError('DEVICE_LIMIT_REACHED');
    throw new ConfirmationRequired('DEVICE_LIMIT_REACHED', userId, { ...intent, confirmed: [...confirmed] });
  }
  return [];
}

/**
 * Removes a device of the account in exchange for the one that is being bound.
 *
 * @returns the ids of its revoked sessions
 * @throws PlatformError NOT_FOUND when the account has no such device, or it is the one being bound
 * @throws DeviceError DEVICE_DISABLED for a disabled device: it would register again enabled
 */
async function replaceDevice(
  tx: Transaction,
  secrets: Secrets,
  { userId, deviceId, replacedId }: { userId: string; deviceId: string; replacedId: string },
): Promise<string[]> {
  const replaced =
    replacedId === deviceId ? null : await tx.device.findUnique({ where: { id: replacedId, userId } });
  if (!replaced) throw new PlatformError('NOT_FOUND', { field: 'input.replaceDeviceId' });
  if (!replaced.enabled) throw new DeviceError('DEVICE_DISABLED', { field: 'input.replaceDeviceId' });
  return deleteDeviceRows(tx, secrets, replaced);
}
