import {
  CompactEncrypt,
  type CompactJWEHeaderParameters,
  type CryptoKey,
  compactDecrypt,
  decodeProtectedHeader,
} from 'jose';
import { TransportEncryptionError } from './transport-encryption.errors.ts';

/** Size limits of an encrypted message. */
export const SEALED_LIMITS = {
  /** The compact JWE, checked before it is parsed. */
  jweBytes: 96 * 1024,
  /** The plaintext, checked after decryption. */
  messageBytes: 64 * 1024,
} as const;

const CONTENT_ENCRYPTION = 'A256GCM';

/** Key agreement with a transport key, or direct encryption with a key that both sides share. */
type KeyManagement = 'ECDH-ES' | 'dir';

/** A decrypted message with its header, which is authenticated but not encrypted. */
export interface OpenedJwe {
  text: string;
  header: Record<string, unknown>;
}

/**
 * Reads the protected header without verifying it.
 *
 * @throws TransportEncryptionError INVALID_CIPHERTEXT if the format or the algorithms are not ours
 */
export function readHeader(jwe: string, alg: KeyManagement): Record<string, unknown> {
  return orInvalid(() => {
    if (!isCanonical(jwe)) throw new Error('not a canonical compact JWE');
    const header: Record<string, unknown> = decodeProtectedHeader(jwe);
    const { zip, crit } = header;
    if (header.alg !== alg || header.enc !== CONTENT_ENCRYPTION || zip !== undefined || crit !== undefined)
      throw new Error('unsupported header');
    return header;
  });
}

/**
 * Decrypts a compact JWE.
 *
 * @throws TransportEncryptionError INVALID_CIPHERTEXT
 */
export async function openJwe(
  jwe: string,
  alg: KeyManagement,
  key: CryptoKey | Uint8Array,
): Promise<OpenedJwe> {
  const header = readHeader(jwe, alg);
  return orInvalid(async () => {
    const { plaintext } = await compactDecrypt(jwe, key, {
      keyManagementAlgorithms: [alg],
      contentEncryptionAlgorithms: [CONTENT_ENCRYPTION],
      maxDecompressedLength: 0,
    });
    if (plaintext.byteLength > SEALED_LIMITS.messageBytes) throw new Error('plaintext too large');
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(plaintext), header };
  });
}

/** Encrypts with a key that the recipient already has. Each message gets a random IV. */
export function sealUnder(
  key: CryptoKey | Uint8Array,
  header: Omit<CompactJWEHeaderParameters, 'alg' | 'enc'>,
  text: string,
): Promise<string> {
  return new CompactEncrypt(new TextEncoder().encode(text))
    .setProtectedHeader({ alg: 'dir', enc: CONTENT_ENCRYPTION, ...header })
    .encrypt(key);
}

/**
 * Turns every error into INVALID_CIPHERTEXT, so that a response does not reveal which check failed.
 */
export function orInvalid<Result>(work: () => Result): Result {
  const refuse = (): never => {
    throw new TransportEncryptionError('INVALID_CIPHERTEXT');
  };
  try {
    const result = work();
    return result instanceof Promise ? (result.catch(refuse) as Result) : result;
  } catch {
    return refuse();
  }
}

/**
 * Checks that all five parts are canonical base64url. Otherwise the unused trailing bits of a part
 * could be changed without invalidating the message.
 */
function isCanonical(jwe: string): boolean {
  if (jwe.length > SEALED_LIMITS.jweBytes) return false;
  const parts = jwe.split('.');
  return (
    parts.length === 5 && parts.every((part) => Buffer.from(part, 'base64url').toString('base64url') === part)
  );
}
