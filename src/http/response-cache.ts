import { createHash } from 'node:crypto';
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { GraphQLSchema } from 'graphql';
import type { Shared } from '../context.ts';
import type { Caller, UserCaller } from '../modules/kernel/caller.ts';
import { PLAN_CHANGED, SITE_CHANGED, USER_CHANGED } from '../modules/kernel/topics.ts';
import { recentCaller } from '../modules/lifecycle/login/authenticate.ts';
import type { Cost } from '../platform/graphql/cost.ts';
import { requestedRootFields, type ValidOperation } from '../platform/graphql/requested-root-fields.ts';
import { etagOf, REVALIDATE, sendUnchanged } from '../platform/http/conditional-get.ts';
import { LocalCache, type LocalCacheUsage, type Reading } from '../platform/local-cache.ts';
import type { Services } from '../platform/services.ts';
import { isSealed } from '../platform/transport-encryption/sealed-http.ts';

/** The bytes include those of the requests. */
const LIMITS = { maxAgeMs: 1_000, entries: 10_000, bytes: 32 * 1024 * 1024 };
/** Digests of requests that were seen once. */
const SEEN = { maxAgeMs: 1_000, entries: 10_000, bytes: Number.POSITIVE_INFINITY };
const LONGEST_REQUEST = 8_192;
const LARGEST_RESPONSE = 256 * 1024;

/** Owner of the responses to callers without a session. */
const PUBLIC = 'public';

interface CachedResponse {
  body: Buffer;
  headers: Record<string, string>;
  etag: string;
  /** Charged again each time. */
  statements: number;
}

/** A response that is being computed. */
export interface Recording {
  /** Keeps the response only if all root fields of the operation are cacheable. */
  allow(operation: ValidOperation): void;
  charged(cost: Cost): void;
  finish(reply: FastifyReply, payload: unknown): void;
}

/**
 * Responses that this process has just sent, so that a request that is repeated within a second
 * costs next to nothing. A response is kept for one access token and one request, headers included.
 * It is evicted when the process learns that the account has changed, and before it is a second
 * old. It is kept only for requests that are repeated, so that many different ones do not fill the
 * memory.
 */
export interface ResponseCache {
  /**
   * Sends the cached response, if there is one, without waiting for anything.
   *
   * @returns whether it did
   */
  send(request: FastifyRequest, reply: FastifyReply): boolean;
  /** Call it before reading anything. */
  record(request: FastifyRequest, caller: Caller): Recording;
  /** Call it after a mutation, before its response is sent. */
  evictAfterMutation(caller: Caller): void;
  usage(): LocalCacheUsage;
}

/** @param schema whose root fields declare by the extension `cacheable` what may be kept */
export function createResponseCache(
  { pubSub }: Pick<Services, 'pubSub'>,
  shared: Shared,
  schema: GraphQLSchema,
): ResponseCache {
  const responses = new LocalCache<CachedResponse>(LIMITS);
  const seen = new LocalCache<true>(SEEN);
  pubSub.onWake((topic, ids) => {
    if (topic === USER_CHANGED) for (const id of ids) responses.evict(id);
    if (topic === PLAN_CHANGED || topic === SITE_CHANGED) responses.evictAll();
  });
  pubSub.onReconnect(() => responses.evictAll());
  return {
    send: (request, reply) => {
      const owner = ownerOf(request, shared);
      const response = owner && responses.get(owner.id, keyOf(request));
      if (!response || !isWithinRate(shared, owner.caller, response.statements)) return false;
      sendResponse(request, reply, response);
      return true;
    },
    record: (request, caller) => {
      const id = idOf(caller);
      const key = id && isShort(request) && !isSealed(request) ? keyOf(request) : undefined;
      if (!id || key === undefined) return NOTHING;
      const digest = createHash('sha256').update(key).digest('base64');
      if (seen.get(id, digest)) return recordingOf(responses, { reading: responses.begin(id), key, schema });
      seen.put(seen.begin(id), true, { key: digest });
      return NOTHING;
    },
    evictAfterMutation: (caller) => {
      if (caller.kind !== 'user') return;
      if (caller.role === 'ADMIN') responses.evictAll();
      else responses.evict(caller.userId);
    },
    usage: () => responses.usage(),
  };
}

const NOTHING: Recording = { allow: () => {}, charged: () => {}, finish: () => {} };

function recordingOf(
  responses: LocalCache<CachedResponse>,
  { reading, key, schema }: { reading: Reading; key: string; schema: GraphQLSchema },
): Recording {
  let isAllowed = false;
  let statements = 0;
  return {
    allow: (operation) => {
      const fields = requestedRootFields(schema, operation);
      isAllowed =
        operation.operation.operation === 'query' && fields.every(({ field }) => isCacheable(schema, field));
    },
    charged: (cost) => {
      statements = cost.statements;
    },
    finish: (reply, payload) => {
      if (!isAllowed || !isComplete(reply, payload)) return responses.cancel(reading);
      const body = Buffer.from(payload);
      const response = { body, headers: headersOf(reply), etag: etagOf(payload), statements };
      // Both bytes of a character of the request count.
      responses.put(reading, response, { key, bytes: body.length + 2 * key.length });
    },
  };
}

function isComplete(reply: FastifyReply, payload: unknown): payload is string {
  if (typeof payload !== 'string' || reply.statusCode !== 200) return false;
  // Responses with errors begin with these.
  return payload.startsWith('{"data":{') && payload.length <= LARGEST_RESPONSE;
}

function isCacheable(schema: GraphQLSchema, field: string): boolean {
  return schema.getQueryType()?.getFields()[field]?.extensions.cacheable === true;
}

function headersOf(reply: FastifyReply): Record<string, string> {
  const names = ['content-type', 'cache-control'];
  return Object.fromEntries(
    names.flatMap((name) => (reply.hasHeader(name) ? [[name, String(reply.getHeader(name))]] : [])),
  );
}

function sendResponse(
  request: FastifyRequest,
  reply: FastifyReply,
  { body, headers, etag }: CachedResponse,
): void {
  reply.headers(headers);
  if (headers['cache-control'] === REVALIDATE && sendUnchanged(request, reply, etag)) return;
  reply.send(body);
}

/** The caller, if this process has just authenticated them. */
function ownerOf(
  request: FastifyRequest,
  shared: Shared,
): { id: string; caller: UserCaller | undefined } | undefined {
  if (!isShort(request) || isSealed(request)) return undefined;
  const { authorization } = request.headers;
  if (authorization === undefined) return { id: PUBLIC, caller: undefined };
  const caller = recentCaller(shared, authorization);
  const id = caller && idOf(caller);
  return id ? { id, caller } : undefined;
}

/** Admins change what they read; agents have caches of their own. */
function idOf(caller: Caller): string | undefined {
  if (caller.kind === 'anonymous') return caller.refusedToken ? undefined : PUBLIC;
  return caller.kind === 'user' && caller.role === 'USER' ? caller.userId : undefined;
}

function isShort({ headers, url }: FastifyRequest): boolean {
  return Number(headers['content-length'] ?? 0) <= LONGEST_REQUEST && url.length <= LONGEST_REQUEST;
}

/** Everything in the request that can change the response. */
function keyOf({ method, url, body, headers }: FastifyRequest): string {
  return JSON.stringify([
    ...[method, url, body, headers.authorization, headers.accept, headers['content-type']],
    ...[headers['apollo-require-preflight'], headers['x-apollo-operation-name']],
  ]);
}

function isWithinRate(
  { operationRateLimiter }: Shared,
  caller: UserCaller | undefined,
  statements: number,
): boolean {
  try {
    if (caller) operationRateLimiter.chargeKnown(caller, statements);
    return true;
  } catch {
    // The usual way refuses it with an error.
    return false;
  }
}
