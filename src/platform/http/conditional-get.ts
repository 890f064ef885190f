import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';

export const REVALIDATE = 'private, no-cache';

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
  return revalidated(request, reply, etagOf(payload)) ? null : payload;
}

/**
 * Sends 304 if the client has the current response, for a response whose tag is already known. Else
 * the response has the tag. @returns whether it did
 */
export function sendUnchanged(request: FastifyRequest, reply: FastifyReply, tag: string): boolean {
  const isUnchanged = revalidated(request, reply, tag);
  if (isUnchanged) reply.send();
  return isUnchanged;
}

/** A weak entity tag. */
export const etagOf = (payload: string): string =>
  `W/"${createHash('sha256').update(payload).digest('base64url').slice(0, 27)}"`;

/** Sets the headers. @returns whether the response is a 304 */
function revalidated(request: FastifyRequest, reply: FastifyReply, tag: string): boolean {
  reply.header('etag', tag).header('vary', varyingWith(reply.getHeader('vary'), 'Authorization'));
  if (!matchesTag(tag, request.headers['if-none-match'])) return false;
  reply.code(304).removeHeader('content-type').removeHeader('content-length');
  return true;
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
