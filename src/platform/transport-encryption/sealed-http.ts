import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import { delayRefusal } from './delay-refusal.ts';
import { SEALED_LIMITS, sealUnder } from './jwe.ts';
import type { Envelope } from './open-envelope.ts';
import { TransportEncryptionError } from './transport-encryption.errors.ts';
import type { TransportEncryption } from './transport-encryption.ts';

const MEDIA_TYPE = 'application/jose';

/** Headers of the answer that tell something about it. */
const TELLING_HEADERS = ['content-length', 'retry-after', 'etag'];

const envelopes = new WeakMap<FastifyRequest, Envelope>();

/**
 * Lets the routes take encrypted requests: they find in its place the JSON request that was inside, the token in its
 * `Authorization` header, and their answer is encrypted on its way out. Routes need not know.
 */
export function acceptSealedRequests(
  routes: FastifyInstance,
  { open }: Pick<TransportEncryption, 'open'>,
): void {
  routes.addContentTypeParser<string>(
    MEDIA_TYPE,
    { parseAs: 'string', bodyLimit: SEALED_LIMITS.jweBytes },
    async (request: FastifyRequest, jwe: string) => {
      if (request.headers.authorization !== undefined)
        throw new TransportEncryptionError('INVALID_CIPHERTEXT');
      const envelope = await open(jwe);
      envelopes.set(request, envelope);
      const { message, accessToken } = envelope;
      request.headers = {
        'content-type': 'application/json',
        ...(accessToken && { authorization: `Bearer ${accessToken}` }),
      };
      return message;
    },
  );
  routes.addHook('onSend', async (request, reply, payload) => {
    const envelope = envelopes.get(request);
    return envelope ? sealAnswer(reply, envelope, payload) : payload;
  });
  routes.setErrorHandler(async (error, request, reply) => {
    if (!isUnopened(request)) throw error;
    await delayRefusal(reply.elapsedTime);
    throw isTooLarge(error) ? new TransportEncryptionError('INVALID_CIPHERTEXT') : error;
  });
}

/** Whether it came encrypted, and its answer will be. */
export function isSealed(request: FastifyRequest): boolean {
  return envelopes.has(request);
}

/** The status, too, would tell how it went: it is 200 for whatever is inside. */
async function sealAnswer(
  reply: FastifyReply,
  { replyKey, id }: Envelope,
  payload: unknown,
): Promise<string> {
  if (typeof payload !== 'string') throw new Error('only text can be encrypted');
  for (const header of TELLING_HEADERS) reply.removeHeader(header);
  reply.code(200).type(MEDIA_TYPE).header('cache-control', 'no-store');
  return sealUnder(replyKey, { jti: id }, payload);
}

function isUnopened(request: FastifyRequest): boolean {
  return !isSealed(request) && (request.headers['content-type'] ?? '').toLowerCase().startsWith(MEDIA_TYPE);
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && 'statusCode' in error && error.statusCode === 413;
}
