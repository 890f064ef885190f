import { z } from 'zod';
import { SECOND_MS } from '../database/clock.ts';
import { openJwe, orInvalid, readHeader } from './jwe.ts';
import { spendMessageId } from './spend-message-id.ts';
import { TransportEncryptionError } from './transport-encryption.errors.ts';
import type { ValidKeys } from './transport-keys.ts';

/** A message of a device: what it says, who says it, and how to answer. */
export interface Envelope {
  /** What stood beside the token and the key: a GraphQL request, or nothing where a websocket begins. */
  message: Record<string, unknown>;
  accessToken: string | undefined;
  /** 32 bytes that nobody but the sender and we know. */
  replyKey: Uint8Array;
  /** The sender's id of the message. */
  id: string;
}

/** How far a sender's clock may be off, and how long a message may be under way. */
const WINDOW_MS = 120 * SECOND_MS;

const Header = z.object({ kid: z.string(), iat: z.number(), jti: z.string().min(1).max(128) });

const Contents = z.looseObject({
  accessToken: z.string().min(1).nullish(),
  replyKey: z.string().transform((text, context) => {
    const key = Buffer.from(text, 'base64url');
    if (key.byteLength !== 32 || key.toString('base64url') !== text) context.addIssue('not 32 bytes');
    return Uint8Array.from(key);
  }),
});

/**
 * Opens a message that was encrypted to one of the transport keys. Its id is used up only once everything else about it is
 * right.
 *
 * @throws TransportEncryptionError INVALID_CIPHERTEXT, whatever is wrong with it
 */
export async function openEnvelope(
  services: Parameters<typeof spendMessageId>[0],
  jwe: string,
  readKeys: () => Promise<ValidKeys>,
): Promise<Envelope> {
  const { kid, iat, jti } = orInvalid(() => Header.parse(readHeader(jwe, 'ECDH-ES')));
  const { now, find } = await readKeys();
  const key = await find(kid);
  if (!key) throw new TransportEncryptionError('INVALID_CIPHERTEXT');
  const { text } = await openJwe(jwe, 'ECDH-ES', key);
  const { accessToken, replyKey, ...message } = orInvalid(() =>
    Contents.parse(JSON.parse(text, refuseTricks)),
  );
  const isFresh = Math.abs(now.getTime() - iat * SECOND_MS) <= WINDOW_MS;
  if (!isFresh || !(await spendMessageId(services, jti)))
    throw new TransportEncryptionError('INVALID_CIPHERTEXT');
  return { message, accessToken: accessToken ?? undefined, replyKey, id: jti };
}

/** Fastify refuses the same in what comes in clear. */
function refuseTricks(key: string, value: unknown): unknown {
  if (key === '__proto__') throw new Error('would be a prototype');
  return value;
}
