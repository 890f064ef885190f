import type { Services } from '../../../platform/services.ts';
import { hintOf } from './redemption-code.ts';

const PURPOSE = 'redemption-code';

/** A code at rest: found by a keyed hash, readable only with SECRET_KEY. */
export interface SealedCode {
  /** HMAC-SHA-256, 32 bytes. */
  lookup: Buffer;
  /** AES-256-GCM. */
  ciphertext: Buffer;
  /** Its last four characters. */
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

/** The code in normal form. */
export function openCode(
  { secrets }: Pick<Services, 'secrets'>,
  { ciphertext }: { ciphertext: Uint8Array },
): string {
  return secrets.decrypt(PURPOSE, ciphertext).toString();
}

/** What the code may be found under: the hash of each valid key, as hexadecimal digits. */
export function lookupsOf({ secrets }: Pick<Services, 'secrets'>, code: string): string[] {
  return secrets.macs(PURPOSE, code).map((mac) => mac.toString('hex'));
}
