import { CompactEncrypt, compactDecrypt, type JWEHeaderParameters } from 'jose';
import type { TransportKey } from './transport-key.ts';

/** A message on its way, and what its answer will be opened with. */
export interface SealedRequest {
  jwe: string;
  replyKey: Uint8Array;
  id: string;
}

/**
 * Encrypts a request to the server. Each has a key of its own for the answer, and an id that is good once.
 *
 * @param contents a GraphQL request, or nothing when a websocket begins
 */
export async function sealRequest(
  { kid, key }: TransportKey,
  contents: object,
  accessToken?: string,
): Promise<SealedRequest> {
  const replyKey = crypto.getRandomValues(new Uint8Array(32));
  const id = crypto.randomUUID();
  const text = JSON.stringify({
    ...contents,
    ...(accessToken && { accessToken }),
    replyKey: Buffer.from(replyKey).toString('base64url'),
  });
  const header = { alg: 'ECDH-ES', enc: 'A256GCM', kid, iat: Math.floor(Date.now() / 1_000), jti: id };
  const jwe = await new CompactEncrypt(new TextEncoder().encode(text))
    .setProtectedHeader(header)
    .encrypt(key);
  return { jwe, replyKey, id };
}

/** Encrypts under a key that both sides have. */
export function sealUnder(key: Uint8Array, header: object, text: string): Promise<string> {
  return new CompactEncrypt(new TextEncoder().encode(text))
    .setProtectedHeader({ alg: 'dir', enc: 'A256GCM', ...header })
    .encrypt(key);
}

/**
 * Opens what was encrypted under a key that both sides have.
 *
 * @param expected what its header must say: the id of the request that it answers, or its place in a connection
 * @throws Error for anything else than that one message
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
    if (header[name] !== value) throw new Error(`not the message that was expected: ${name}`);
  }
  return new TextDecoder().decode(plaintext);
}
