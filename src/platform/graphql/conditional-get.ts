import { createHash } from 'node:crypto';
import type { ApolloServerPlugin, BaseContext } from '@apollo/server';
import type { FastifyReply, FastifyRequest } from 'fastify';

const MAY_BE_ASKED_AGAIN = 'private, no-cache';

/** Marks answers to GET that have no errors: a client may keep them for itself, and ask whether they are still true. */
export function markCacheable<Context extends BaseContext>(): ApolloServerPlugin<Context> {
  return {
    requestDidStart: async () => ({
      willSendResponse: async ({ request, response: { body, http } }) => {
        const isWhole = body.kind === 'single' && body.singleResult.data != null && !body.singleResult.errors;
        if (request.http?.method === 'GET' && isWhole) http.headers.set('cache-control', MAY_BE_ASKED_AGAIN);
      },
    }),
  };
}

/** Gives what was marked a weak `ETag`, and answers 304 without a body to whoever has it already. */
export async function answerConditionally(
  request: FastifyRequest,
  reply: FastifyReply,
  payload: unknown,
): Promise<unknown> {
  if (reply.getHeader('cache-control') !== MAY_BE_ASKED_AGAIN || typeof payload !== 'string') return payload;
  const tag = `W/"${createHash('sha256').update(payload).digest('base64url').slice(0, 27)}"`;
  reply.header('etag', tag).header('vary', varyingWith(reply.getHeader('vary'), 'Authorization'));
  if (!isKnown(tag, request.headers['if-none-match'])) return payload;
  reply.code(304).removeHeader('content-type').removeHeader('content-length');
  return null;
}

function varyingWith(vary: unknown, header: string): string {
  const headers = typeof vary === 'string' && vary !== '' ? vary.split(/\s*,\s*/) : [];
  return [...new Set([...headers, header])].join(', ');
}

/** By weak comparison, as RFC 9110 has it for If-None-Match. */
function isKnown(tag: string, ifNoneMatch: string | undefined): boolean {
  if (ifNoneMatch === undefined) return false;
  const opaque = (text: string) => text.trim().replace(/^W\//, '');
  return ifNoneMatch.trim() === '*' || ifNoneMatch.split(',').some((known) => opaque(known) === opaque(tag));
}
