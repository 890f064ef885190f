import { type Readable, Transform } from 'node:stream';
import {
  errorCodes,
  type FastifyInstance,
  type onRequestAsyncHookHandler,
  type preParsingAsyncHookHandler,
} from 'fastify';
import { isServerToken } from '../modules/network/server/find-agent.ts';
import type { ServerTokens } from '../modules/network/server/server-tokens.ts';
import { LIMITS } from '../platform/graphql/limits.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Whether it has the token of a server; false on routes other than those of agents. */
    isFromAgent: boolean;
  }
}

/**
 * Routes requests by sender before the body is read: agents are recognized by their token's prefix.
 */
export const SENDER: Parameters<FastifyInstance['addConstraintStrategy']>[0] = {
  name: 'sender',
  storage: () => {
    const routes = new Map<unknown, never>();
    return {
      get: (sender) => routes.get(sender) ?? null,
      set: (sender, route) => void routes.set(sender, route as never),
    };
  },
  validate: () => {},
  deriveConstraint: ({ headers }) => (isServerToken(headers.authorization) ? 'agent' : undefined),
};

/**
 * Options of the agents' route. Its larger body limit applies to valid tokens only: the prefix of a
 * token is free, and reading a body of a megabyte is not.
 */
export function agentRoute(tokens: ServerTokens): {
  constraints: { sender: string };
  bodyLimit: number;
  onRequest: onRequestAsyncHookHandler;
  preParsing: preParsingAsyncHookHandler;
} {
  return {
    constraints: { sender: 'agent' },
    bodyLimit: LIMITS.agentBodyBytes,
    onRequest: async (request) => {
      request.isFromAgent = await tokens.isKnown(request.headers.authorization);
    },
    preParsing: async ({ isFromAgent, headers }, _reply, payload: Readable) => {
      if (isFromAgent) return payload;
      if (Number(headers['content-length']) > LIMITS.bodyBytes) throw tooLarge();
      return limited(payload, LIMITS.bodyBytes);
    },
  };
}

const tooLarge = () => new errorCodes.FST_ERR_CTP_BODY_TOO_LARGE();

/** Fails after a number of bytes: a body in chunks has no Content-Length. */
function limited(body: Readable, limit: number): Readable {
  let received = 0;
  const counted = new Transform({
    transform: (chunk: Buffer, _encoding, done) => {
      received += chunk.length;
      done(received > limit ? tooLarge() : null, chunk);
    },
  });
  body.once('error', (error) => counted.destroy(error));
  // Discards the rest, so that the client can read the response.
  counted.once('error', () => body.resume());
  return body.pipe(counted);
}
