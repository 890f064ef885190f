import { randomBytes } from 'node:crypto';
import { databaseNow, SECOND_MS } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { checkInput } from '../../../platform/input.ts';
import { consumeNonce } from '../../../platform/keys/consume-nonce.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import type { Services } from '../../../platform/services.ts';
import { DeviceError } from '../../kernel/device.errors.ts';
import { DeviceIdentifier } from './device-identifier.ts';

const PURPOSE = 'device-challenge';
const CHALLENGE_MS = 60 * SECOND_MS;
const TIME_BYTES = 8;
const RANDOM_BYTES = 16;
const MAC_BYTES = 32;

/** What a device signs to log in with its key. */
export interface DeviceChallenge {
  nonce: string;
  expiresAt: Date;
}

/**
 * Makes a challenge for a device with this identifier, known or not. Nothing is stored: the nonce carries
 * its end, random bytes and a keyed hash over both and the identifier, as base64url.
 *
 * @throws PlatformError BAD_USER_INPUT
 */
export async function createDeviceChallenge(
  { db, secrets }: Pick<Services, 'db' | 'secrets'>,
  { identifier }: { identifier: string },
): Promise<DeviceChallenge> {
  checkInput(DeviceIdentifier, identifier, 'identifier');
  const expiresAt = new Date((await databaseNow(db)).getTime() + CHALLENGE_MS);
  const time = Buffer.alloc(TIME_BYTES);
  time.writeBigUInt64BE(BigInt(expiresAt.getTime()));
  const head = Buffer.concat([time, randomBytes(RANDOM_BYTES)]);
  return { nonce: Buffer.concat([head, macOf(secrets, head, identifier)]).toString('base64url'), expiresAt };
}

/** When the nonce ends; undefined when we did not make it for this identifier. */
export function challengeEnd(secrets: Secrets, nonce: string, identifier: string): Date | undefined {
  const bytes = Buffer.from(nonce, 'base64url');
  if (bytes.length !== TIME_BYTES + RANDOM_BYTES + MAC_BYTES) return undefined;
  const head = bytes.subarray(0, TIME_BYTES + RANDOM_BYTES);
  const isOurs = secrets.verifyMac(PURPOSE, signed(head, identifier), bytes.subarray(head.length));
  return isOurs ? new Date(Number(bytes.readBigUInt64BE(0))) : undefined;
}

/**
 * Uses a nonce up, in the transaction of the login that it allows.
 *
 * @throws DeviceError DEVICE_PROOF_INVALID when it is too old, or was used before
 */
export async function spendChallenge(
  tx: Pick<Transaction, '$executeRaw'>,
  { nonce, endsAt }: { nonce: string; endsAt: Date },
): Promise<void> {
  const isSpent = await consumeNonce(tx, { nonce: Buffer.from(nonce, 'base64url'), endsAt });
  if (!isSpent) throw new DeviceError('DEVICE_PROOF_INVALID');
}

const signed = (head: Buffer, identifier: string) => Buffer.concat([head, Buffer.from(identifier)]);

const macOf = (secrets: Secrets, head: Buffer, identifier: string) =>
  secrets.mac(PURPOSE, signed(head, identifier));
