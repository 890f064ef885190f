import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { delayRefusal } from './delay-refusal.ts';
import { SEALED_LIMITS, sealUnder } from './jwe.ts';
import type { Envelope } from './open-envelope.ts';
import { TransportEncryptionError } from './transport-encryption.errors.ts';
import type { TransportEncryption } from './transport-encryption.ts';

const MEDIA_TYPE = 'application/jose';

/** Response headers that would reveal something about the encrypted content. */
const REVEALING_HEADERS = ['content-length', 'retry-after', 'etag'];

declare module 'fastify' {
  interface FastifyRequest {
    /** The decrypted message; null for a plaintext request. */
    envelope: Envelope | null;
  }
}

/**
 * Makes the routes accept encrypted requests, transparently: handlers see the decrypted JSON body
 * and an `Authorization` header with the token that was in the message, and their response is
 * encrypted.
 */
export function acceptSealedRequests(
  routes: FastifyInstance,
  { open }: Pick<TransportEncryption, 'open'>,
): void {
  routes.decorateRequest('envelope', null);
  routes.addContentTypeParser<string>(
    MEDIA_TYPE,
    { parseAs: 'string', bodyLimit: SEALED_LIMITS.jweBytes },
    async (request: FastifyRequest, jwe: string) => {
      if (request.headers.authorization !== undefined)
        throw new TransportEncryptionError('INVALID_CIPHERTEXT');
      request.envelope = await open(jwe, 'request');
      const { message, accessToken } = request.envelope;
      request.headers = {
        'content-type': 'application/json',
        ...(accessToken && { authorization: `Bearer ${accessToken}` }),
      };
      return message;
    },
  );
  routes.addHook('onSend', async ({ envelope }, reply, payload) =>
    envelope ? sealResponse(reply, envelope, payload) : payload,
  );
  routes.setErrorHandler(async (error, request, reply) => {
    if (!isUnopened(request)) throw error;
    await delayRefusal(reply.elapsedTime);
    throw isTooLarge(error) ? new TransportEncryptionError('INVALID_CIPHERTEXT') : error;
  });
}

/** Whether the request was encrypted, and so its response will be. */
export function isSealed({ envelope }: FastifyRequest): boolean {
  return Boolean(envelope);
}

/** Always sets the status to 200, because the original one would reveal the outcome. */
async function sealResponse(
  reply: FastifyReply,
  { replyKey, id }: Envelope,
  payload: unknown,
): Promise<string> {
  if (typeof payload !== 'string') throw new Error('cannot encrypt a response that is not text');
  for (const header of REVEALING_HEADERS) reply.removeHeader(header);
  reply.code(200).type(MEDIA_TYPE).header('cache-control', 'no-store');
  return sealUnder(replyKey, { jti: id }, payload);
}

function isUnopened(request: FastifyRequest): boolean {
  return !isSealed(request) && (request.headers['content-type'] ?? '').toLowerCase().startsWith(MEDIA_TYPE);
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && 'statusCode' in error && error.statusCode === 413;
}
