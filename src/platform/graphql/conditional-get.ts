import { createHash } from 'node:crypto';
import type { ApolloServerPlugin, BaseContext } from '@apollo/server';
import type { FastifyReply, FastifyRequest } from 'fastify';

const REVALIDATE = 'private, no-cache';

/** Lets clients cache error-free responses to GET privately, and revalidate them by `ETag`. */
export function markCacheable<Context extends BaseContext>(): ApolloServerPlugin<Context> {
  return {
    requestDidStart: async () => ({
      willSendResponse: async ({ request, response: { body, http } }) => {
        const isComplete =
          body.kind === 'single' && body.singleResult.data != null && !body.singleResult.errors;
        if (request.http?.method === 'GET' && isComplete) http.headers.set('cache-control', REVALIDATE);
      },
    }),
  };
}

/**
 * Adds a weak `ETag` to cacheable responses, and responds with 304 if the client has the current
 * one.
 */
export async function answerConditionally(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
): Promise<unknown> {
  if (reply.getHeader('cache-control') !== REVALIDATE || typeof payload !== 'string') return payload;
  const tag = `W/"${createHash('sha256').update(payload).digest('base64url').slice(0, 27)}"`;
  reply.header('etag', tag).header('vary', varyingWith(reply.getHeader('vary'), 'Authorization'));
  if (!matchesTag(tag, request.headers['if-none-match'])) return payload;
  reply.code(304).removeHeader('content-type').removeHeader('content-length');
  return null;
}

function varyingWith(vary: unknown, header: string): string {
  const headers = typeof vary === 'string' && vary !== '' ? vary.split(/\s*,\s*/) : [];
  return [...new Set([...headers, header])].join(', ');
}

/** Compares weakly, as RFC 9110 requires for `If-None-Match`. */
function matchesTag(tag: string, ifNoneMatch: string | undefined): boolean {
  if (ifNoneMatch === undefined) return false;
  const opaque = (text: string) => text.trim().replace(/^W\//, '');
  return ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some((known) => opaque(known) === opaque(tag));
}
