import {
  CompactEncrypt,
  type CompactJWEHeaderParameters,
  type CryptoKey,
  compactDecrypt,
  decodeProtectedHeader,
} from 'jose';
import { TransportEncryptionError } from './transport-encryption.errors.ts';

/** What a message may weigh, checked before it is looked at. */
export const SEALED_LIMITS = {
  /** Characters of a compact JWE. */
  jweBytes: 96 * 1024,
  /** Bytes of what is inside. */
  messageBytes: 64 * 1024,
} as const;

const CONTENT_ENCRYPTION = 'A256GCM';

/** How the key of a message is found: agreed on with a transport key, or known to both sides already. */
type KeyManagement = 'ECDH-ES' | 'dir';

/** A message, and the part of it that everybody can read and nobody can change. */
export interface OpenedJwe {
  text: string;
  header: Record<string, unknown>;
}

/**
 * The protected header, of which nothing is proved yet.
 *
 * @throws TransportEncryptionError INVALID_CIPHERTEXT for what cannot be a message of ours
 */
export function readHeader(jwe: string, alg: KeyManagement): Record<string, unknown> {
  return orInvalid(() => {
    if (!isCanonical(jwe)) throw new Error('not the one way to write a compact JWE');
    const header: Record<string, unknown> = decodeProtectedHeader(jwe);
    const { zip, crit } = header;
    if (header.alg !== alg || header.enc !== CONTENT_ENCRYPTION || zip !== undefined || crit !== undefined)
      throw new Error('not how we encrypt');
    return header;
  });
}

/**
 * Opens a compact JWE that was made in the one way there is.
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
    if (plaintext.byteLength > SEALED_LIMITS.messageBytes) throw new Error('too much inside');
    return { text: new TextDecoder('utf-8', { fatal: true }).decode(plaintext), header };
  });
}

/** Encrypts under a key that the reader has already; the initialisation vector is random each time. */
export function sealUnder(
  key: CryptoKey | Uint8Array,
  header: Omit<CompactJWEHeaderParameters, 'alg' | 'enc'>,
  text: string,
): Promise<string> {
  return new CompactEncrypt(new TextEncoder().encode(text))
    .setProtectedHeader({ alg: 'dir', enc: CONTENT_ENCRYPTION, ...header })
    .encrypt(key);
}

/** Whatever goes wrong with a message is the same fault, and nothing tells which it was. */
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
 * Five parts of base64url, each as an encoder writes it: where bits are left over they could be changed without
 * changing what is decoded.
 */
function isCanonical(jwe: string): boolean {
  if (jwe.length > SEALED_LIMITS.jweBytes) return false;
  const parts = jwe.split('.');
  return (
    parts.length === 5 && parts.every((part) => Buffer.from(part, 'base64url').toString('base64url') === part)
  );
}
