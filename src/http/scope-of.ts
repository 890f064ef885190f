import type { FastifyRequest } from 'fastify';
import type { Config } from '../config.ts';
import { clientAddress } from '../platform/http/client-address.ts';
import { originOf } from '../platform/http/origin.ts';
import type { RequestScope } from '../platform/request-scope.ts';

/** Creates the request scope of an HTTP request, before authentication. */
export function scopeOf(request: FastifyRequest, { TRUST_PROXY }: Pick<Config, 'TRUST_PROXY'>): RequestScope {
  return {
    requestId: request.id,
    ip: clientAddress(request.raw, TRUST_PROXY),
    userAgent: request.headers['user-agent']?.slice(0, 512) ?? null,
    origin: originOf(request.raw, TRUST_PROXY),
  };
}
