import { randomBytes } from 'node:crypto';
import { z } from 'zod';
import { databaseNow, SECOND_MS } from '../../../platform/database/clock.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { checkInput } from '../../../platform/input.ts';
import { consumeNonce } from '../../../platform/keys/consume-nonce.ts';
import type { Secrets } from '../../../platform/keys/secrets.ts';
import type { Services } from '../../../platform/services.ts';
import { DeviceError } from '../../kernel/device.errors.ts';

/**
 * The app's stable name for its installation: 8 to 128 printable ASCII characters, no space at
 * either end. Not a secret.
 */
export const DeviceIdentifier = z
  .string()
  .regex(/^[\x21-\x7e]([\x20-\x7e]{6,126})[\x21-\x7e]$/, 'must have 8 to 128 printable characters');

const PURPOSE = 'device-challenge';
const CHALLENGE_MS = 60 * SECOND_MS;
const TIME_BYTES = 8;
const RANDOM_BYTES = 16;
const MAC_BYTES = 32;

/** A nonce that a device signs to prove possession of its private key. */
export interface IssuedChallenge {
  nonce: string;
  expiresAt: Date;
}

/**
 * Issues a challenge for an identifier, whether or not a device is registered under it.
 *
 * Stateless: the nonce is base64url of its expiry, random bytes, and a MAC over both and the
 * identifier.
 *
 * @throws PlatformError BAD_USER_INPUT
 */
export async function createDeviceChallenge(
  { db, secrets }: Pick<Services, 'db' | 'secrets'>,
  { identifier }: { identifier: string },
): Promise<IssuedChallenge> {
  checkInput(DeviceIdentifier, identifier, 'identifier');
  const expiresAt = new Date((await databaseNow(db)).getTime() + CHALLENGE_MS);
  const time = Buffer.alloc(TIME_BYTES);
  time.writeBigUInt64BE(BigInt(expiresAt.getTime()));
  const head = Buffer.concat([time, randomBytes(RANDOM_BYTES)]);
  return { nonce: Buffer.concat([head, macOf(secrets, head, identifier)]).toString('base64url'), expiresAt };
}

/** Returns the expiry of a nonce; undefined if its MAC does not verify for this identifier. */
export function readChallengeExpiry(secrets: Secrets, nonce: string, identifier: string): Date | undefined {
  const bytes = Buffer.from(nonce, 'base64url');
  if (bytes.length !== TIME_BYTES + RANDOM_BYTES + MAC_BYTES) return undefined;
  const head = bytes.subarray(0, TIME_BYTES + RANDOM_BYTES);
  const isValid = secrets.verifyMac(PURPOSE, macInput(head, identifier), bytes.subarray(head.length));
  return isValid ? new Date(Number(bytes.readBigUInt64BE(0))) : undefined;
}

/**
 * Marks a nonce as used, in the transaction of the login that it authorizes.
 *
 * @throws DeviceError DEVICE_PROOF_INVALID if the nonce has expired or was used before
 */
export async function spendChallenge(
  tx: Pick<Transaction, '$executeRaw'>,
  { nonce, nonceExpiresAt }: { nonce: string; nonceExpiresAt: Date },
): Promise<void> {
  const isSpent = await consumeNonce(tx, {
    nonce: Buffer.from(nonce, 'base64url'),
    endsAt: nonceExpiresAt,
  });
  if (!isSpent) throw new DeviceError('DEVICE_PROOF_INVALID');
}

const macInput = (head: Buffer, identifier: string) => Buffer.concat([head, Buffer.from(identifier)]);

const macOf = (secrets: Secrets, head: Buffer, identifier: string) =>
  secrets.mac(PURPOSE, macInput(head, identifier));
