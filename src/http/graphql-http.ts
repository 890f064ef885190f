import { HeaderMap } from '@apollo/server';
import { fastifyApolloHandler } from '@as-integrations/fastify';
import type {
  FastifyInstance,
  FastifyReply,
  FastifyRequest,
  RouteHandlerMethod,
  RouteOptions,
} from 'fastify';
import { GraphQLError } from 'graphql';
import type { Context, Shared } from '../context.ts';
import { type Caller, isAdmin } from '../modules/kernel/caller.ts';
import { authenticate, recentCaller } from '../modules/lifecycle/login/authenticate.ts';
import { createServerTokens } from '../modules/network/server/server-tokens.ts';
import { createSemaphore } from '../platform/concurrency/semaphore.ts';
import { DomainError } from '../platform/errors.ts';
import { type ApolloSettings, createApolloServer } from '../platform/graphql/apollo.ts';
import { LIMITS } from '../platform/graphql/limits.ts';
import { operationLabel } from '../platform/graphql/operation-label.ts';
import type { ValidOperation } from '../platform/graphql/requested-root-fields.ts';
import { answerConditionally } from '../platform/http/conditional-get.ts';
import { inRequestScope, type Outcome, requestScope } from '../platform/request-scope.ts';
import type { Services } from '../platform/services.ts';
import { observeCache, outcomeOf } from '../platform/telemetry/metrics.ts';
import { describeSpan, inSpan } from '../platform/telemetry/tracing.ts';
import { acceptSealedRequests, isSealed } from '../platform/transport-encryption/sealed-http.ts';
import { agentRoute, SENDER } from './agent-requests.ts';
import { type Encryption, type GraphqlSettings, mayIntrospect } from './graphql-settings.ts';
import { createRequestLimit } from './request-limit.ts';
import { logOperation } from './request-log.ts';
import { createResponseCache, type Recording, type ResponseCache } from './response-cache.ts';
import { scopeOf } from './scope-of.ts';

/** Path of the GraphQL endpoint, over HTTP and websockets. */
export const GRAPHQL_PATH = '/graphql';

/** Adds what only this transport needs; resolvers see `Context`. */
interface HttpContext extends Context {
  isSealed: boolean;
  recording: Recording;
  /** Describes the operation in the request log, if there is one. */
  onOperation: ((operation: ValidOperation) => void) | undefined;
}

declare module 'fastify' {
  interface FastifyRequest {
    recording: Recording | undefined;
    outcome: Outcome;
  }
}

/**
 * Serves GraphQL over HTTP, in plaintext or encrypted.
 *
 * @returns a function that stops the Apollo server
 */
export async function serveGraphqlHttp(
  app: FastifyInstance,
  settings: GraphqlSettings,
  { encryption, encryptionPolicy }: Encryption,
): Promise<() => Promise<void>> {
  const { services, config, documents, shared, metrics } = settings;
  const responses = createResponseCache(services, shared, documents.schema);
  observeCache(metrics, 'cached_responses', responses);
  const apollo = createApolloServer(apolloSettings(settings, { encryptionPolicy, responses }));
  await apollo.start();
  const isLogging = services.log.isLevelEnabled('debug');
  // Spread once: it has about fifty properties.
  const base = { ...services, ...shared };
  const handle = fastifyApolloHandler(apollo, {
    context: async (request) => {
      const caller = await identify(base, { config, encryptionPolicy, request });
      if (caller.kind === 'agent') shared.agentPresence.recordSeen(caller);
      const scope = scopeOf(request, config);
      const recording = responses.record(request, caller);
      request.recording = recording;
      const onOperation = isLogging ? logOperation(request, caller) : undefined;
      return { ...base, caller, request: scope, isSealed: isSealed(request), recording, onOperation };
    },
  });
  const route: RouteOptions = {
    method: ['GET', 'POST'],
    url: GRAPHQL_PATH,
    onSend: answerConditionally,
    handler: fromCache(responses, observed(withinRequestLimits(handle, config), { metrics })),
  };
  app.addConstraintStrategy(SENDER);
  await app.register(async (routes) => {
    acceptSealedRequests(routes, encryption);
    routes.decorateRequest('isFromAgent', false);
    routes.decorateRequest('recording');
    routes.decorateRequest('outcome');
    // Runs before the body is read, so that rejected requests cost no parsing.
    routes.addHook('onRequest', (request) =>
      shared.operationRateLimiter.countRequest(scopeOf(request, config).ip),
    );
    routes.addHook('onRequest', sendPeopleToPlayground);
    routes.addHook('onRequest', admitPlainGet);
    routes.route(route);
    routes.route({ ...route, ...agentRoute(createServerTokens(services)) });
  });
  return () => apollo.stop();
}

/**
 * Clients such as urql send queries by GET, without a header that needs a CORS preflight. Apollo
 * refuses that as a possible forgery. But a request without what browsers add by themselves
 * (cookies and passwords) is no use to a forger: a page of another origin can send it, but can
 * neither change anything nor read the response.
 */
async function admitPlainGet({ method, headers }: FastifyRequest): Promise<void> {
  const { authorization, cookie } = headers;
  const isAmbient = cookie !== undefined || (authorization !== undefined && !/^Bearer /i.test(authorization));
  if (method === 'GET' && !isAmbient) headers['apollo-require-preflight'] ??= '1';
}

/** A browser that opens the address of the endpoint asks for a page. */
async function sendPeopleToPlayground(
  { method, headers, query }: FastifyRequest,
  reply: FastifyReply,
): Promise<FastifyReply | undefined> {
  const isPage = method === 'GET' && headers.accept?.includes('text/html') === true;
  const asksNothing = Object.keys(query as object).length === 0;
  return isPage && asksNothing ? reply.redirect('playground/', 302) : undefined;
}

/** Sends recent responses again, without a slot of the request limit. */
function fromCache(responses: ResponseCache, handle: RouteHandlerMethod): RouteHandlerMethod {
  return async function (request, reply) {
    if (responses.send(request, reply)) return reply;
    let payload: unknown;
    try {
      payload = await handle.call(this, request, reply);
      return payload;
    } finally {
      // Without a payload, it is discarded.
      request.recording?.finish(reply, payload);
    }
  };
}

function apolloSettings(
  { services, config, documents, shared, metrics }: GraphqlSettings,
  {
    encryptionPolicy,
    responses,
  }: Pick<Encryption, 'encryptionPolicy'> & { responses: Pick<ResponseCache, 'evictAfterMutation'> },
): ApolloSettings<HttpContext> {
  return {
    documents,
    log: services.log,
    onError: (code) => {
      metrics.errors.inc({ code });
      const outcome = requestScope()?.outcome;
      if (outcome) outcome.errorCode ??= code;
    },
    mayIntrospect: ({ caller }) => mayIntrospect(caller, config),
    charge: async (cost, { caller, request: { ip }, recording }) => {
      recording.charged(cost);
      await shared.operationRateLimiter.charge(caller, { ip, statements: cost.statements });
    },
    afterMutation: ({ caller }) => responses.evictAfterMutation(caller),
    beforeRun: async (operation, context) => {
      context.recording.allow(operation);
      const outcome = requestScope()?.outcome;
      if (outcome) outcome.operation = operationLabel(operation.operation);
      context.onOperation?.(operation);
      if (!context.isSealed) await encryptionPolicy.ensurePlaintextOperationAllowed(operation);
    },
  };
}

/** Measures the duration of each operation, and starts its trace. */
function observed(
  handle: RouteHandlerMethod,
  { metrics }: Pick<GraphqlSettings, 'metrics'>,
): RouteHandlerMethod {
  return async function (request, reply) {
    const outcome: Outcome = {};
    request.outcome = outcome;
    const startedAt = performance.now();
    const parent = request.headers.traceparent;
    const details = {
      ...{ isRoot: true, kind: 'server' as const, attributes: { 'tessera.request_id': request.id } },
      ...(typeof parent === 'string' && { parent }),
    };
    try {
      return await inSpan(`${request.method} ${GRAPHQL_PATH}`, details, async () => {
        try {
          return await handle.call(this, request, reply);
        } finally {
          describe(outcome);
        }
      });
    } catch (error) {
      outcome.errorCode ??= error instanceof DomainError ? error.code : 'INTERNAL_SERVER_ERROR';
      throw error;
    } finally {
      const seconds = (performance.now() - startedAt) / 1_000;
      metrics.operations.observe(
        { operation: outcome.operation ?? 'invalid', outcome: outcomeOf(outcome.errorCode) },
        seconds,
      );
    }
  };
}

function describe({ operation, errorCode }: Outcome): void {
  describeSpan({
    ...(operation && { name: operation }),
    ...(errorCode && { 'tessera.error_code': errorCode }),
  });
}

/** Agent requests are slow, so they have their own queue and don't delay customers. */
function withinRequestLimits(
  handle: RouteHandlerMethod,
  config: GraphqlSettings['config'],
): RouteHandlerMethod {
  const [ofCustomers, ofAgents] = [createRequestLimit(), createRequestLimit()];
  return function (request, reply) {
    const limit = request.isFromAgent ? ofAgents : ofCustomers;
    const scope = {
      ...scopeOf(request, config),
      statements: createSemaphore(LIMITS.concurrentStatements),
      outcome: request.outcome,
    };
    return limit((slot) =>
      inRequestScope({ ...scope, slot }, async () =>
        // The client may have disconnected while its request was queued.
        reply.raw.destroyed ? '' : handle.call(this, request, reply),
      ),
    );
  };
}

/**
 * Authenticates the caller, and adjusts the request scope to their permissions.
 *
 * @throws GraphQLError with an HTTP status: otherwise Apollo responds with 500 if the context fails
 */
async function identify(
  services: Services & Shared,
  {
    config,
    encryptionPolicy,
    request,
  }: Pick<GraphqlSettings, 'config'> & Pick<Encryption, 'encryptionPolicy'> & { request: FastifyRequest },
): Promise<Caller> {
  try {
    const { authorization } = request.headers;
    const caller =
      (authorization && recentCaller(services, authorization)) ||
      (await authenticate(services, authorization));
    if (!isSealed(request)) await encryptionPolicy.ensurePlaintextSessionAllowed(caller);
    const scope = requestScope();
    if (scope) scope.hidesSchema = !mayIntrospect(caller, config);
    if (needsLongOperations(caller)) scope?.deadline?.extend(LIMITS.longOperationMs);
    return caller;
  } catch (error) {
    throw refusedRequest(error);
  }
}

/** Agents and admins run large operations, which need more time. */
const needsLongOperations = (caller: Caller) => caller.kind === 'agent' || isAdmin(caller);

function refusedRequest(error: unknown): GraphQLError {
  const originalError = error instanceof Error ? error : null;
  return new GraphQLError('the request was not accepted', {
    originalError,
    extensions: { http: statusOf(error) },
  });
}

function statusOf(error: unknown): { status: number; headers?: HeaderMap } {
  if (!(error instanceof DomainError)) return { status: 503 };
  const seconds = error.details.retryAfterSeconds;
  const headers = seconds === undefined ? [] : [['retry-after', String(seconds)] as const];
  return { status: error.status, headers: new HeaderMap(headers) };
}
