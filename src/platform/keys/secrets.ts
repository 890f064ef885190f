import { createCipheriv, createDecipheriv, createHmac, hkdfSync, timingSafeEqual } from 'node:crypto';
import { required } from '../required.ts';
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
  /** HMAC-SHA-256 (32 bytes) under the key in use, for values to store. */
  mac(purpose: string, data: string | Buffer): Buffer;
  /** The MAC under each valid key, the one in use first, while SECRET_KEY is rotated. */
  macs(purpose: string, data: string | Buffer): Buffer[];
  /** Verifies a MAC under any valid key, in constant time. */
  verifyMac(purpose: string, data: string | Buffer, mac: Buffer): boolean;
  /**
   * AES-256-GCM under the key in use. `aad` (additional authenticated data) isn't stored;
   * decryption needs it again.
   */
  encrypt(purpose: string, plaintext: string | Buffer, aad?: string): Buffer;
  /**
   * @throws DecryptionError if no valid key decrypts it: tampered with, or from another key,
   *   purpose or `aad`
   */
  decrypt(purpose: string, bytes: Uint8Array, aad?: string): Buffer;
}

/** The secrets of a process, whose root key can change while it runs. */
export interface RotatingSecrets extends Secrets {
  /** Identify the configured keys, SECRET_KEY first. */
  readonly fingerprints: readonly Buffer[];
  /** Identifies the key that protects new values. */
  readonly fingerprint: Buffer;
  /** Protects new values with another configured key. @returns false if it is not configured */
  use: (fingerprint: Uint8Array) => boolean;
  /**
   * Encrypts a value under the key in use.
   *
   * @returns null if it already is
   * @throws DecryptionError
   */
  reseal: (purpose: string, bytes: Uint8Array, aad?: string) => Buffer | null;
  /** The key of MACs under the configured key of this fingerprint. */
  macKey: (purpose: string, fingerprint: Uint8Array) => Buffer;
  /** Accepts MACs under these keys of earlier root secrets. Replaces those of the last call. */
  accept: (macKeys: readonly MacKey[]) => void;
}

/** A key of MACs that were made under a root secret that may no longer be configured. */
export interface MacKey {
  purpose: string;
  key: Buffer;
}

/** The ciphertext doesn't match the purpose, the `aad` or any valid key. */
export class DecryptionError extends Error {
  constructor() {
    super('No valid key decrypts this ciphertext.');
    this.name = 'DecryptionError';
  }
}

const FINGERPRINT = { purpose: 'fingerprint', data: 'tessera' };

/**
 * Derives all keys from the root secrets (HKDF-SHA-256, one key per use and purpose). The first one
 * is in use until `use` selects another.
 *
 * @param roots the previous secret key only decrypts and verifies, unless it is selected
 */
export function createSecrets(roots: {
  secretKey: string;
  previousSecretKey?: string | undefined;
}): RotatingSecrets {
  const configured = [roots.secretKey, roots.previousSecretKey]
    .filter((root) => root !== undefined && root !== '')
    .map((root) => createRoot(`${root}`));
  let [current] = configured as [Root];
  let accepted: readonly MacKey[] = [];
  const rest = () => configured.filter((root) => root !== current);
  const find = (fingerprint: Uint8Array) =>
    configured.find((root) => equalSecrets(root.fingerprint, fingerprint));
  const macs = (purpose: string, data: string | Buffer) => {
    const retained = accepted.filter((macKey) => macKey.purpose === purpose).map(({ key }) => key);
    const keys = [current, ...rest()].map((root) => root.key('mac', purpose));
    return [...keys, ...retained].map((key) => hmac(key, data));
  };
  const decrypt = (purpose: string, bytes: Uint8Array, aad?: string) => {
    for (const root of [current, ...rest()]) {
      const plaintext = open(root.key('encrypt', purpose), bytes, aad);
      if (plaintext) return plaintext;
    }
    throw new DecryptionError();
  };
  const encrypt = (purpose: string, plaintext: string | Buffer, aad?: string) =>
    seal(current.key('encrypt', purpose), plaintext, aad);
  return {
    mac: (purpose, data) => hmac(current.key('mac', purpose), data),
    macs,
    verifyMac: (purpose, data, mac) =>
      macs(purpose, data).reduce((found, candidate) => equalSecrets(candidate, mac) || found, false),
    encrypt,
    decrypt,
    fingerprints: configured.map(({ fingerprint }) => fingerprint),
    get fingerprint() {
      return current.fingerprint;
    },
    use: (fingerprint) => {
      const root = find(fingerprint);
      if (root) current = root;
      return root !== undefined;
    },
    reseal: (purpose, bytes, aad) =>
      open(current.key('encrypt', purpose), bytes, aad)
        ? null
        : encrypt(purpose, decrypt(purpose, bytes, aad), aad),
    macKey: (purpose, fingerprint) => required(find(fingerprint), 'secret key').key('mac', purpose),
    accept: (macKeys) => {
      accepted = macKeys;
    },
  };
}

const SHOWN_DIGITS = 16;

/** The part of a fingerprint that people compare. */
export const shortFingerprint = (fingerprint: Uint8Array) =>
  Buffer.from(fingerprint).toString('hex').slice(0, SHOWN_DIGITS);

/** Compares in constant time. The duration reveals at most the lengths. */
export function equalSecrets(one: Uint8Array, other: Uint8Array): boolean {
  return one.byteLength === other.byteLength && timingSafeEqual(one, other);
}

/** A root secret, and the keys derived from it. */
interface Root {
  key: (use: 'mac' | 'encrypt', purpose: string) => Buffer;
  fingerprint: Buffer;
}

function createRoot(secret: string): Root {
  const keys = new Map<string, Buffer>();
  const key: Root['key'] = (use, purpose) => {
    const info = `tessera/${use}/${purpose}`;
    const derived = keys.get(info) ?? Buffer.from(hkdfSync('sha256', secret, '', info, 32));
    keys.set(info, derived);
    return derived;
  };
  return { key, fingerprint: hmac(key('mac', FINGERPRINT.purpose), FINGERPRINT.data) };
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
