import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify';
import type { Config } from '../config.ts';
import type { Shared } from '../context.ts';
import { limitFailedAttempts } from '../modules/network/server/limit-failed-attempts.ts';
import type { NodeProgram, NodePrograms } from '../modules/network/uniproxy/node-of-program.ts';
import { PlatformError } from '../platform/errors.ts';
import { LIMITS } from '../platform/graphql/limits.ts';
import { maskError } from '../platform/graphql/mask-error.ts';
import { sendUnchanged } from '../platform/http/conditional-get.ts';
import type { RateLimit } from '../platform/redis/rate-limit.ts';
import { inRequestScope } from '../platform/request-scope.ts';
import { required } from '../platform/required.ts';
import type { Services } from '../platform/services.ts';
import { createRequestLimit } from './request-limit.ts';
import { scopeOf } from './scope-of.ts';

const FAILED_PROGRAMS: RateLimit = { name: 'failed-program', points: 30, durationSeconds: 600 };

declare module 'fastify' {
  interface FastifyRequest {
    program: NodeProgram | undefined;
  }
}

/** Settings of the routes of node programs. */
export interface ProgramSettings {
  services: Services;
  config: Config;
  shared: Shared;
  programs: NodePrograms;
}

/** How a request names its program; null if it names none. */
export type FindProgram = (request: FastifyRequest) => Promise<NodeProgram | null>;

type Handler = (program: NodeProgram, request: FastifyRequest, reply: FastifyReply) => Promise<unknown>;

/** @returns a function that adds a route for programs with a valid token */
export function createProgramRoutes(
  app: FastifyInstance,
  settings: ProgramSettings,
  findProgram: FindProgram,
): (method: 'GET' | 'POST', url: string, handler: Handler) => void {
  const { services, config, shared } = settings;
  const limit = createRequestLimit();
  if (!app.hasRequestDecorator('program')) app.decorateRequest('program');
  return (method, url, handler) => {
    app.route({
      ...{ method, url },
      bodyLimit: LIMITS.agentBodyBytes,
      // Before the body is read: a large one needs a valid token.
      onRequest: (request, reply) =>
        inRequestScope(scopeOf(request, config), async () => {
          const program = await identify(settings, request, findProgram);
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
  };
}

/**
 * @returns null for an unknown token and for an unknown node
 * @throws PlatformError RATE_LIMITED
 */
async function identify(
  { services, shared }: ProgramSettings,
  request: FastifyRequest,
  findProgram: FindProgram,
): Promise<NodeProgram | null> {
  const refusal = unknownProgram();
  const limit = { limit: FAILED_PROGRAMS, refusal: refusal.code };
  return limitFailedAttempts({ ...services, ...shared }, limit, async () => {
    const program = await findProgram(request);
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

/** Sends a response with its tag, or 304 if the program has it. */
export const answerTagged = (
  request: FastifyRequest,
  reply: FastifyReply,
  { etag, body }: { etag: string; body: object | Buffer },
): FastifyReply => {
  reply.header('cache-control', 'no-store');
  return sendUnchanged(request, reply, etag) ? reply : reply.send(body);
};
