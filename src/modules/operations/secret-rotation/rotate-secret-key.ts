import { setTimeout as sleep } from 'node:timers/promises';
import type { ServiceProcess } from '../../../generated/prisma/client.ts';
import { SECOND_MS } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { resealKeyPairs } from '../../../platform/keys/key-pairs.ts';
import { resealRetainedMacKeys, retainMacKeys } from '../../../platform/keys/retained-mac-keys.ts';
import { SECRET_KEY_COLUMNS, SecretKeyError } from '../../../platform/keys/secret-key.ts';
import { equalSecrets } from '../../../platform/keys/secrets.ts';
import { required } from '../../../platform/required.ts';
import { type OwnProcess, readProcesses } from '../../../platform/service-processes.ts';
import type { Services } from '../../../platform/services.ts';
import { RETAINED_IDENTITY_MACS } from '../../identity/history/identity-history.ts';
import { RETAINED_REFRESH_MACS } from '../../identity/session/refresh-token.ts';
import { lockServiceState } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { sealNodeConfigs } from '../../network/node/seal-node-configs.ts';
import { RETAINED_REQUEST_MACS } from '../../redemption/batch/batch-input.ts';
import { type ResealProgress, resealCodes } from '../../redemption/code/reseal-codes.ts';

/**
 * How long short-lived values are of use that were made under the previous key: link codes, device
 * challenges, CSV links and list cursors.
 */
const SHORT_LIVED_MS = 15 * 60 * SECOND_MS;

/** Longer than processes need to notice that a rotation has started. */
const SWITCH_TIMEOUT_MS = 30 * SECOND_MS;
const SWITCH_POLL_MS = 500;

const RETAINED = [RETAINED_IDENTITY_MACS, RETAINED_REFRESH_MACS, RETAINED_REQUEST_MACS];

type RotationServices = Pick<Services, 'db' | 'secrets' | 'log'>;

export interface SecretRotation {
  /** Whether this call had something to do. */
  isRotated: boolean;
  /** When SECRET_KEY_PREVIOUS can be removed. */
  previousEndsAt: Date | null;
  /** Number of codes that no configured key opens. */
  unreadableCodes: number;
}

interface RotationEvents {
  onStart: () => void;
  onCodes: (progress: ResealProgress) => void;
}

/**
 * Protects everything in the database with SECRET_KEY instead of SECRET_KEY_PREVIOUS. All processes
 * must have both keys. Each uses the previous one until this starts, so they can get them in any
 * order, while the service runs.
 *
 * Safe to repeat: a call continues one that was interrupted, and does nothing after one that has
 * finished.
 *
 * @throws SecretKeyError if a process lacks the new key, or an earlier rotation has not finished
 */
export async function rotateSecretKey(
  services: RotationServices & { own: OwnProcess },
  events: RotationEvents,
): Promise<SecretRotation> {
  const { db, secrets } = services;
  const target = required(secrets.fingerprints[0], 'secret key');
  if (!equalSecrets(secrets.fingerprint, target)) {
    await db.$transaction((tx) => start(services, tx, target));
    secrets.use(target);
  }
  const before = await db.serviceState.findUniqueOrThrow({ where: { id: 1 }, select: SECRET_KEY_COLUMNS });
  if (before.previousFingerprint === null) return outcome(before.secretRotatedAt, false, 0);
  events.onStart();
  await waitForProcesses(services, target);
  await db.$transaction((tx) => resealKeyPairs(tx, secrets));
  await db.$transaction((tx) => resealRetainedMacKeys(tx, secrets));
  await sealNodeConfigs(services);
  const { unreadable } = await resealCodes(services, events.onCodes);
  await db.serviceState.update({
    where: { id: 1 },
    data: { previousFingerprint: null, resealedCodeId: null },
  });
  return outcome(before.secretRotatedAt, true, unreadable);
}

function outcome(rotatedAt: Date | null, isRotated: boolean, unreadableCodes: number): SecretRotation {
  const previousEndsAt = rotatedAt && new Date(rotatedAt.getTime() + SHORT_LIVED_MS);
  return { isRotated, previousEndsAt, unreadableCodes };
}

/** From its commit on, all processes protect new values with the new key, within five seconds. */
async function start(services: RotationServices, tx: Transaction, target: Buffer): Promise<void> {
  const { secrets } = services;
  await lockServiceState(tx);
  const state = await tx.serviceState.findUniqueOrThrow({ where: { id: 1 }, select: SECRET_KEY_COLUMNS });
  const current = required(state.secretFingerprint, 'fingerprint of the secret key');
  // Another call has started it meanwhile.
  if (equalSecrets(current, target)) return;
  if (state.previousFingerprint !== null) {
    throw new SecretKeyError(
      'the last rotation has not finished. Finish it first, with the SECRET_KEY and SECRET_KEY_PREVIOUS that it started with.',
    );
  }
  refuseProcessesWithout(target, await readProcesses({ db: tx }));
  await retainMacKeys(tx, secrets, { fingerprint: current, retained: RETAINED });
  await tx.$executeRaw`
    UPDATE service_state SET secret_fingerprint = ${target}, previous_fingerprint = ${current},
      secret_rotated_at = tessera_now(), resealed_code_id = NULL, resealed_codes = 0`;
  await recordAudit(tx, { action: 'rotateSecretKey', actorId: null });
}

function refuseProcessesWithout(target: Buffer, processes: readonly ServiceProcess[]): void {
  const without = processes.filter(
    ({ secretFingerprints }) => !secretFingerprints.some((one) => equalSecrets(one, target)),
  );
  if (without.length === 0) return;
  const names = without.map(nameOf).join(', ');
  throw new SecretKeyError(
    `these processes do not have the new key: ${names}. Restart them with SECRET_KEY and SECRET_KEY_PREVIOUS first.`,
  );
}

const nameOf = ({ role, host, pid }: ServiceProcess) => `${role} ${host}:${pid}`;

/** @throws SecretKeyError if a process still uses the previous key after 30 s */
async function waitForProcesses(
  { db, own }: RotationServices & { own: OwnProcess },
  target: Buffer,
): Promise<void> {
  for (let waitedMs = 0; ; waitedMs += SWITCH_POLL_MS) {
    const behind = (await readProcesses({ db })).filter(
      ({ id, role, sealsWith }) => id !== own.id && role !== 'command' && !equalSecrets(sealsWith, target),
    );
    if (behind.length === 0) return;
    if (waitedMs >= SWITCH_TIMEOUT_MS) {
      throw new SecretKeyError(
        `these processes still use the previous key: ${behind.map(nameOf).join(', ')}. Restart them, and run this again.`,
      );
    }
    await sleep(SWITCH_POLL_MS);
  }
}
