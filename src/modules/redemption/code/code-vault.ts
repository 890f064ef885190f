import type { Services } from '../../../platform/services.ts';
import { hintOf } from './redemption-code.ts';

const PURPOSE = 'redemption-code';

/** A code as stored: found by a keyed hash, readable only with SECRET_KEY. */
export interface SealedCode {
  /** HMAC-SHA-256 of the code, 32 bytes. */
  lookup: Buffer;
  /** The code, encrypted with AES-256-GCM. */
  ciphertext: Buffer;
  /** Its last characters, as `hintOf` returns them. */
  hint: string;
}

/** @param code in normal form */
export function sealCode({ secrets }: Pick<Services, 'secrets'>, code: string): SealedCode {
  return {
    lookup: secrets.mac(PURPOSE, code),
    ciphertext: secrets.encrypt(PURPOSE, code),
    hint: hintOf(code),
  };
}

/** @returns the code in normal form */
export function openCode(
  { secrets }: Pick<Services, 'secrets'>,
  { ciphertext }: { ciphertext: Uint8Array },
): string {
  return secrets.decrypt(PURPOSE, ciphertext).toString();
}

/**
 * The hashes that the code may be stored under, in hex: one for each valid secret key, the current
 * one first.
 */
export function lookupsOf({ secrets }: Pick<Services, 'secrets'>, code: string): string[] {
  return secrets.macs(PURPOSE, code).map((mac) => mac.toString('hex'));
}

/**
 * Seals a stored code under the secret key in use.
 *
 * @returns null if it already is
 * @throws DecryptionError
 */
export function resealCode(
  { secrets }: Pick<Services, 'secrets'>,
  { ciphertext }: { ciphertext: Uint8Array },
): SealedCode | null {
  const isCurrent = secrets.reseal(PURPOSE, ciphertext) === null;
  return isCurrent ? null : sealCode({ secrets }, openCode({ secrets }, { ciphertext }));
}
