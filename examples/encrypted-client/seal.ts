import { CompactEncrypt, compactDecrypt, type JWEHeaderParameters } from 'jose';
import type { TransportKey } from './transport-key.ts';

/** An encrypted request, with the key and the id that its response must use. */
export interface SealedRequest {
  jwe: string;
  replyKey: Uint8Array;
  id: string;
}

/**
 * Encrypts a GraphQL request, with a new reply key and message id. The header states its purpose:
 * a captured message cannot open a websocket.
 */
export function sealRequest(
  key: TransportKey,
  request: object,
  accessToken?: string,
): Promise<SealedRequest> {
  return sealFor(key, 'request', { ...request, ...(accessToken && { accessToken }) });
}

/** Encrypts the `connection_init` of a websocket, with a new reply key and message id. */
export function sealSocketStart(key: TransportKey, accessToken?: string): Promise<SealedRequest> {
  return sealFor(key, 'socket', { ...(accessToken && { accessToken }) });
}

async function sealFor(
  { kid, key }: TransportKey,
  purpose: 'request' | 'socket',
  contents: object,
): Promise<SealedRequest> {
  const replyKey = crypto.getRandomValues(new Uint8Array(32));
  const id = crypto.randomUUID();
  const text = JSON.stringify({
    ...contents,
    replyKey: Buffer.from(replyKey).toString('base64url'),
  });
  const iat = Math.floor(Date.now() / 1_000);
  const header = { alg: 'ECDH-ES', enc: 'A256GCM', kid, iat, jti: id, purpose };
  const jwe = await new CompactEncrypt(new TextEncoder().encode(text))
    .setProtectedHeader(header)
    .encrypt(key);
  return { jwe, replyKey, id };
}

/** Encrypts with a shared key. */
export function sealUnder(key: Uint8Array, header: object, text: string): Promise<string> {
  return new CompactEncrypt(new TextEncoder().encode(text))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', ...header })
    .encrypt(key);
}

/**
 * Decrypts a message that was encrypted with a shared key.
 *
 * @param expected required header values: the id of the request, or direction and counter
 * @throws Error if the message is invalid or has other header values
 */
export async function openUnder(
  key: Uint8Array,
  expected: Record<string, unknown>,
  jwe: string,
): Promise<string> {
  const { plaintext, protectedHeader } = await compactDecrypt(jwe, key, {
    keyManagementAlgorithms: ['dir'],
    contentEncryptionAlgorithms: ['A256GCM'],
    maxDecompressedLength: 0,
  });
  const header: JWEHeaderParameters & Record<string, unknown> = protectedHeader;
  for (const [name, value] of Object.entries(expected)) {
    if (header[name] !== value) throw new Error(`unexpected message: wrong ${name}`);
  }
  return new TextDecoder().decode(plaintext);
}
