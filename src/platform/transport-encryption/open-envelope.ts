import { z } from 'zod';
import { SECOND_MS } from '../database/clock.ts';
import { openJwe, orInvalid, readHeader } from './jwe.ts';
import { spendMessageId } from './spend-message-id.ts';
import { TransportEncryptionError } from './transport-encryption.errors.ts';
import type { ValidKeys } from './transport-keys.ts';

/** The use of a message: as a request over HTTP, or as the `connection_init` of a websocket. */
export type Purpose = 'request' | 'socket';

/** A decrypted message from a device. */
export interface Envelope {
  /** A GraphQL request over HTTP; empty in the first message of a websocket. */
  message: Record<string, unknown>;
  accessToken: string | undefined;
  /** Encrypts the response; 32 bytes that the client generated for this message. */
  replyKey: Uint8Array;
  /** The `jti` of the message. */
  id: string;
}

/** Largest accepted difference between `iat` and our clock, in either direction. */
const WINDOW_MS = 120 * SECOND_MS;

const Header = z.object({
  kid: z.string(),
  iat: z.number(),
  jti: z.string().min(1).max(128),
  purpose: z.enum(['request', 'socket'] satisfies Purpose[]).optional(),
});

const Contents = z.looseObject({
  accessToken: z.string().min(1).nullish(),
  replyKey: z.string().transform((text, context) => {
    const key = Buffer.from(text, 'base64url');
    if (key.byteLength !== 32 || key.toString('base64url') !== text) context.addIssue('not 32 bytes');
    return Uint8Array.from(key);
  }),
});

/**
 * Decrypts a message that was encrypted to a transport key. Consumes its id last, so that an
 * invalid message does not block a valid one with the same id.
 *
 * @param purpose what the message is about to be used for; one for another purpose is invalid
 * @throws TransportEncryptionError INVALID_CIPHERTEXT, for every kind of invalid message
 */
export async function openEnvelope(
  services: Parameters<typeof spendMessageId>[0],
  { jwe, purpose }: { jwe: string; purpose: Purpose },
  readKeys: () => Promise<ValidKeys>,
): Promise<Envelope> {
  const { kid, iat, jti, purpose: stated } = orInvalid(() => Header.parse(readHeader(jwe, 'ECDH-ES')));
  const { now, find } = await readKeys();
  const key = await find(kid);
  if (!key) throw new TransportEncryptionError('INVALID_CIPHERTEXT');
  const { text } = await openJwe(jwe, 'ECDH-ES', key);
  const { accessToken, replyKey, ...message } = orInvalid(() =>
    Contents.parse(JSON.parse(text, rejectPrototypes)),
  );
  const isFresh = Math.abs(now.getTime() - iat * SECOND_MS) <= WINDOW_MS;
  const isMeant = (stated ?? purposeOf(message)) === purpose;
  if (!isMeant || !isFresh || !(await spendMessageId(services, jti)))
    throw new TransportEncryptionError('INVALID_CIPHERTEXT');
  return { message, accessToken: accessToken ?? undefined, replyKey, id: jti };
}

/**
 * The purpose of a message whose header states none, which apps of version 0.1 send: only their
 * `connection_init` has nothing but the token and the reply key.
 */
function purposeOf(message: Record<string, unknown>): Purpose {
  return Object.keys(message).length === 0 ? 'socket' : 'request';
}

/** Guards against prototype poisoning, as Fastify does for plaintext bodies. */
function rejectPrototypes(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new Error('__proto__ is not allowed as a key');
  return value;
}
