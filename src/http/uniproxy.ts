import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../config.ts';
import type { Shared } from '../context.ts';
import { limitFailedAttempts } from '../modules/network/server/limit-failed-attempts.ts';
import { createAliveCounts } from '../modules/network/uniproxy/alive-counts.ts';
import { findProgram, type NodeProgram } from '../modules/network/uniproxy/node-of-program.ts';
import { programConfig } from '../modules/network/uniproxy/program-config.ts';
import {
  reportProgramOnline,
  reportProgramStatus,
  reportProgramTraffic,
} from '../modules/network/uniproxy/program-reports.ts';
import { readProgramUsers } from '../modules/network/uniproxy/program-users.ts';
import { PlatformError } from '../platform/errors.ts';
import { LIMITS } from '../platform/graphql/limits.ts';
import { maskError } from '../platform/graphql/mask-error.ts';
import { etagOf, sendUnchanged } from '../platform/http/conditional-get.ts';
import type { RateLimit } from '../platform/redis/rate-limit.ts';
import { inRequestScope } from '../platform/request-scope.ts';
import { required } from '../platform/required.ts';
import type { Services } from '../platform/services.ts';
import { createRequestLimit } from './request-limit.ts';
import { scopeOf } from './scope-of.ts';

const PATH = '/api/v1/server/UniProxy';

const FAILED_PROGRAMS: RateLimit = { name: 'failed-program', points: 30, durationSeconds: 600 };

declare module 'fastify' {
  interface FastifyRequest {
    program: NodeProgram | undefined;
  }
}

type Query = Partial<Record<'token' | 'node_id', string | string[]>>;
type Handler = (program: NodeProgram, request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

interface Settings {
  services: Services;
  config: Config;
  shared: Shared;
}

/**
 * Serves the programs that run nodes for panels of the V2board family: V2bX, XrayR and others. The
 * token of the server is in the query, so URLs must not be logged.
 */
export function serveUniProxy(app: FastifyInstance, settings: Settings): void {
  const { services, shared } = settings;
  const context = { ...services, ...shared };
  const route = createRoutes(app, settings);
  route('GET', 'config', async (program, request, reply) => {
    const found = programConfig(services, program);
    if (!found) throw new PlatformError('SERVICE_UNAVAILABLE');
    return answer(request, reply, { etag: etagOf(JSON.stringify(found)), body: found });
  });
  route('GET', 'user', async (program, request, reply) => {
    const { etag, users } = await readProgramUsers(context, program, request.headers['if-none-match']);
    return answer(request, reply, { etag, body: { users } });
  });
  const aliveCounts = createAliveCounts(services);
  route('GET', 'alivelist', async () => ({ alive: await aliveCounts() }));
  route('POST', 'push', async (program, request, reply) => {
    const { refused } = await reportProgramTraffic(context, program, request.body);
    if (refused > 0) reply.header('x-refused-users', refused);
    return { data: true };
  });
  for (const [name, report] of [
    ['alive', reportProgramOnline],
    ['status', reportProgramStatus],
  ] as const) {
    route('POST', name, async (program, request) => {
      await report(context, program, request.body);
      return { data: true };
    });
  }
}

/** @returns a function that adds a route for programs with a valid token */
function createRoutes(app: FastifyInstance, { services, config, shared }: Settings) {
  const context = { ...services, ...shared };
  const limit = createRequestLimit();
  app.decorateRequest('program');
  return (method: 'GET' | 'POST', name: string, handler: Handler) =>
    app.route({
      method,
      url: `${PATH}/${name}`,
      bodyLimit: LIMITS.agentBodyBytes,
      // Before the body is read: a large one needs a valid token.
      onRequest: (request, reply) =>
        inRequestScope(scopeOf(request, config), async () => {
          const program = await identify(context, request);
          if (!program) return reply.code(401).send({ errors: [maskError(unknownProgram(), services.log)] });
          request.program = program;
          shared.agentPresence.recordSeen(program.agent);
          return undefined;
        }),
      handler: (request, reply) =>
        limit(() =>
          inRequestScope(scopeOf(request, config), () =>
            handler(required(request.program, 'node program'), request, reply),
          ),
        ),
    });
}

/**
 * @returns null for an unknown token and for an unknown node
 * @throws PlatformError RATE_LIMITED
 */
async function identify(context: Services & Shared, request: FastifyRequest): Promise<NodeProgram | null> {
  const { token = '', node_id: nodeNumber = '' } = request.query as Query;
  const refusal = unknownProgram();
  return limitFailedAttempts(context, { limit: FAILED_PROGRAMS, refusal: refusal.code }, async () => {
    const program = await findProgram(context, { token: String(token), nodeNumber: String(nodeNumber) });
    if (program) return program;
    throw refusal;
  }).catch((error: unknown) => {
    if (error === refusal) return null;
    throw error;
  });
}

const unknownProgram = () =>
  new PlatformError('UNAUTHENTICATED', {
    message: 'The token is unknown, or the node is not an enabled one of its server.',
  });

const answer = (
  request: FastifyRequest,
  reply: FastifyReply,
  { etag, body }: { etag: string; body: object },
): FastifyReply => {
  reply.header('cache-control', 'no-store');
  return sendUnchanged(request, reply, etag) ? reply : reply.send(body);
};
