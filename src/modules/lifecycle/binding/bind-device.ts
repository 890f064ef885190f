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
import { createDevice } from '../../identity/device/create-device.ts';
import { readDeviceLimit } from '../../identity/device/device-limit.ts';
import { checkAccount, checkEnabled, checkProof } from '../../identity/device-proof/check-device.ts';
import { spendChallenge } from '../../identity/device-proof/device-challenge.ts';
import { credentialFields, seenFields } from '../../identity/device-proof/device-fields.ts';
import type { DeviceLogin } from '../../identity/device-proof/device-login.ts';
import type { ShownProof } from '../../identity/device-proof/device-proof.ts';
import { DeviceError } from '../../kernel/device.errors.ts';
import { lockUsers } from '../../kernel/locks.ts';
import {
  type BindingQuestion,
  type DecisionKind,
  DecisionNeeded,
  spendDecision,
} from './binding-confirmation.ts';
import { moveDevice } from './move-device.ts';
import { replaceDevice } from './replace-device.ts';

/** A device that is to belong to an account. */
export interface Binding {
  targetUserId: string;
  /** The account is made by this very transaction. */
  isNewAccount: boolean;
  login: DeviceLogin;
  proof: ShownProof | null;
  site: SiteSettings;
  /** Whoever owns the account has said so with a link code: its own device may replace a lost secret or key. */
  mayReplaceCredential: boolean;
}

/** A device that belongs to the account now, and the sessions that ended on the way. */
export interface BoundDevice {
  user: User;
  device: Device;
  endedSessionIds: string[];
  /** Accounts that look different now. */
  changedUserIds: string[];
}

/**
 * Makes a device belong to an account, inside the transaction of the login that asks for it: a new one is made, its own
 * stays, another account's moves over once that was confirmed, and takes its account along when it was the last way in.
 * Holds the locks on both users; devices are counted under them.
 *
 * @throws DeviceError DEVICE_PROOF_REQUIRED, DEVICE_PROOF_INVALID, DEVICE_DISABLED; AuthError ACCOUNT_DISABLED
 * @throws DecisionNeeded when the device belongs elsewhere, or there are too many: see `askingForDecisions`
 * @throws PlatformError NOT_FOUND when the device to be replaced is none of the account
 */
export async function bindDevice(tx: Transaction, binding: Binding): Promise<BoundDevice> {
  const { targetUserId, login, proof } = binding;
  const known = await lockBoth(tx, binding);
  const user = await tx.user.findUniqueOrThrow({ where: { id: targetUserId } });
  checkAccount(user);
  if (!proof && binding.site.deviceLoginProof === 'REQUIRED') throw new DeviceError('DEVICE_PROOF_REQUIRED');
  if (proof?.kind === 'key') await spendChallenge(tx, proof);
  const question = questionOf(binding, known);
  const decisions = await spendDecision(tx, { question, token: login.confirmationToken });
  const bound = await place(tx, { binding, known, question, decisions });
  const isAdded = known?.userId !== targetUserId;
  const replaced = isAdded
    ? await makeRoom(tx, { binding, deviceId: bound.device.id, question, decisions })
    : [];
  return { ...bound, user, endedSessionIds: [...bound.endedSessionIds, ...replaced] };
}

type KnownDevice = Identity & { user: User; device: Device };

const questionOf = (
  { targetUserId, isNewAccount, login }: Binding,
  known: KnownDevice | null,
): BindingQuestion => ({
  identifier: login.identifier,
  targetUserId: isNewAccount ? null : targetUserId,
  ownerId: known && known.userId !== targetUserId ? known.userId : null,
  confirmed: [],
});

/** Locks the account and the one that the device belongs to, together, then reads the device as it is under the locks. */
async function lockBoth(tx: Transaction, { targetUserId, login }: Binding): Promise<KnownDevice | null> {
  const before = await findKnown(tx, login.identifier);
  await lockUsers(tx, [targetUserId, ...(before ? [before.userId] : [])]);
  const known = await findKnown(tx, login.identifier);
  // It has moved in between, and the wrong account is locked.
  if (known && known.userId !== targetUserId && known.userId !== before?.userId) {
    throw new PlatformError('SERVICE_UNAVAILABLE');
  }
  return known;
}

async function findKnown(tx: Transaction, identifier: string): Promise<KnownDevice | null> {
  const identity = await tx.identity.findUnique({
    where: { type_value: { type: 'DEVICE', value: identifier } },
    include: { user: true, device: true },
  });
  return identity?.device ? { ...identity, device: identity.device } : null;
}

interface Placing {
  binding: Binding;
  known: KnownDevice | null;
  question: BindingQuestion;
  decisions: readonly DecisionKind[];
}

type Placed = Omit<BoundDevice, 'user'>;

async function place(tx: Transaction, placing: Placing): Promise<Placed> {
  const { binding, known } = placing;
  const { targetUserId: userId, login, proof, mayReplaceCredential } = binding;
  if (!known) {
    const device = await createDevice(tx, { userId, login, proof }).catch(refuseRaced);
    return { device, endedSessionIds: [], changedUserIds: [userId] };
  }
  const isOwn = known.userId === userId;
  if (!(isOwn && mayReplaceCredential)) checkProof(known.device, proof);
  checkEnabled(known.user, known.device);
  const moved = isOwn ? { endedSessionIds: [], changedUserIds: [userId] } : await move(tx, known, placing);
  return { ...moved, device: await writeLogin(tx, known.device, binding) };
}

/** The first login of a device may race one into another account: whoever comes again finds out to whom it belongs. */
function refuseRaced(error: unknown): never {
  const isRaced = violatedConstraint(error) === 'identities_type_value_key';
  throw isRaced ? new PlatformError('SERVICE_UNAVAILABLE') : error;
}

/** A link code lets its own device forget a lost secret or key for the one that it shows now. */
async function writeLogin(tx: Transaction, { id }: Device, binding: Binding): Promise<Device> {
  const { login, proof, mayReplaceCredential } = binding;
  const forgotten =
    mayReplaceCredential && proof ? { secretHash: null, publicKey: Prisma.DbNull, keyThumbprint: null } : {};
  const lastSeenAt = await databaseNow(tx);
  return tx.device.update({
    where: { id },
    data: { ...forgotten, ...seenFields(login), ...credentialFields(proof), lastSeenAt },
  });
}

function move(tx: Transaction, known: KnownDevice, { binding, question, decisions }: Placing) {
  const intoId = binding.targetUserId;
  if (!decisions.includes('DEVICE_BOUND_ELSEWHERE')) {
    throw new DecisionNeeded(
      'DEVICE_BOUND_ELSEWHERE',
      binding.isNewAccount ? known.userId : intoId,
      question,
    );
  }
  return moveDevice(tx, known.device, intoId);
}

interface Room {
  binding: Binding;
  deviceId: string;
  question: BindingQuestion;
  decisions: readonly DecisionKind[];
}

/**
 * Removes the device that was chosen to be replaced: so there are no more than before, be they too many. Without one the
 * devices are counted.
 */
async function makeRoom(
  tx: Transaction,
  { binding, deviceId, question, decisions }: Room,
): Promise<string[]> {
  const { targetUserId: userId, site, login } = binding;
  if (decisions.includes('DEVICE_LIMIT_REACHED') && login.replaceDeviceId) {
    return replaceDevice(tx, { userId, deviceId, replacedId: login.replaceDeviceId });
  }
  const limit = await readDeviceLimit(tx, { userId, site });
  if (limit !== null && (await tx.device.count({ where: { userId } })) > limit) {
    // An account that is made just now has no device to choose from.
    if (binding.isNewAccount) throw new DeviceError('DEVICE_LIMIT_REACHED');
    throw new DecisionNeeded('DEVICE_LIMIT_REACHED', userId, { ...question, confirmed: [...decisions] });
  }
  return [];
}
