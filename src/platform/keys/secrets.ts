import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { randomBytes } from './random-bytes.ts';

const FORMAT = 1;
const IV_BYTES = 12;
const TAG_BYTES = 16;
const HEADER_BYTES = 1 + IV_BYTES + TAG_BYTES;

/**
 * Keyed hashes and encryption at rest. Each purpose has its own keys, so that values can't be
 * swapped between purposes.
 */
export interface Secrets {
  /** HMAC-SHA-256 (32 bytes) under the current key, for values to store. */
  mac(purpose: string, data: string | Buffer): Buffer;
  /** The MAC under each valid key, current one first, for lookups while SECRET_KEY is rotated. */
  macs(purpose: string, data: string | Buffer): Buffer[];
  /** Verifies a MAC under any valid key, in constant time. */
  verifyMac(purpose: string, data: string | Buffer, mac: Buffer): boolean;
  /**
   * AES-256-GCM under the current key. `aad` (additional authenticated data) isn't stored;
   * decryption needs it again.
   */
  encrypt(purpose: string, plaintext: string | Buffer, aad?: string): Buffer;
  /**
   * @throws DecryptionError if no valid key decrypts it: tampered with, or from another key,
   *   purpose or `aad`
   */
  decrypt(purpose: string, bytes: Uint8Array, aad?: string): Buffer;
}

/** The ciphertext doesn't match the purpose, the `aad` or any valid key. */
export class DecryptionError extends Error {
  constructor() {
    super('No valid key decrypts this ciphertext.');
    this.name = 'DecryptionError';
  }
}

/**
 * Derives all keys from the root secrets (HKDF-SHA-256, one key per use and purpose).
 *
 * @param roots the previous secret key only decrypts and verifies
 */
export function createSecrets(roots: { secretKey: string; previousSecretKey?: string | undefined }): Secrets {
  const current = createKeyring(roots.secretKey);
  const keyrings = roots.previousSecretKey ? [current, createKeyring(roots.previousSecretKey)] : [current];
  const macs = (purpose: string, data: string | Buffer) =>
    keyrings.map((keyring) => hmac(keyring('mac', purpose), data));
  return {
    mac: (purpose, data) => hmac(current('mac', purpose), data),
    macs,
    verifyMac: (purpose, data, mac) =>
      macs(purpose, data).reduce((found, candidate) => equalSecrets(candidate, mac) || found, false),
    encrypt: (purpose, plaintext, aad) => seal(current('encrypt', purpose), plaintext, aad),
    decrypt: (purpose, bytes, aad) => {
      for (const keyring of keyrings) {
        const plaintext = open(keyring('encrypt', purpose), bytes, aad);
        if (plaintext) return plaintext;
      }
      throw new DecryptionError();
    },
  };
}

/** Compares in constant time. The duration reveals at most the lengths. */
export function equalSecrets(one: Uint8Array, other: Uint8Array): boolean {
  return one.byteLength === other.byteLength && timingSafeEqual(one, other);
}

type Keyring = (use: 'mac' | 'encrypt', purpose: string) => Buffer;

function createKeyring(root: string): Keyring {
  const keys = new Map<string, Buffer>();
  return (use, purpose) => {
    const info = `tessera/${use}/${purpose}`;
    const key = keys.get(info) ?? Buffer.from(hkdfSync('sha256', root, '', info, 32));
    keys.set(info, key);
    return key;
  };
}

function hmac(key: Buffer, data: string | Buffer): Buffer {
  return createHmac('sha256', key).update(data).digest();
}

function seal(key: Buffer, plaintext: string | Buffer, aad = ''): Buffer {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv('aes-256-gcm', key, iv, { authTagLength: TAG_BYTES });
  cipher.setAAD(Buffer.from(aad));
  const bytes = typeof plaintext === 'string' ? cipher.update(plaintext, 'utf8') : cipher.update(plaintext);
  const rest = cipher.final();
  return Buffer.concat([Buffer.of(FORMAT), iv, cipher.getAuthTag(), bytes, rest]);
}

function open(key: Buffer, bytes: Uint8Array, aad = ''): Buffer | undefined {
  if (bytes.byteLength < HEADER_BYTES || bytes[0] !== FORMAT) return undefined;
  const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(1, 1 + IV_BYTES), {
    authTagLength: TAG_BYTES,
  });
  decipher.setAAD(Buffer.from(aad));
  decipher.setAuthTag(bytes.subarray(1 + IV_BYTES, HEADER_BYTES));
  try {
    return Buffer.concat([decipher.update(bytes.subarray(HEADER_BYTES)), decipher.final()]);
  } catch {
    return undefined;
  }
}
