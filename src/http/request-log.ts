import type { FastifyInstance, FastifyRequest } from 'fastify';
import type { Config } from '../config.ts';
import type { Caller } from '../modules/kernel/caller.ts';
import type { ValidOperation } from '../platform/graphql/requested-root-fields.ts';
import type { Logger } from '../platform/logger.ts';
import { scopeOf } from './scope-of.ts';

declare module 'fastify' {
  interface FastifyRequest {
    /** Fields of the log line of this request that are known only while it is handled. */
    logged?: { caller?: string; operation?: string };
  }
}

const MAX_NAMES = 5;

/**
 * Logs each request at level `debug` when its response has been sent: never its body, its query or
 * its variables, which contain credentials.
 */
export function logRequests(app: FastifyInstance, log: Logger, config: Config): void {
  if (!log.isLevelEnabled('debug')) return;
  app.decorateRequest('logged');
  app.addHook('onResponse', async (request, reply) => {
    log.debug(
      {
        ...{ requestId: request.id, method: request.method, path: pathOf(request), status: reply.statusCode },
        ...{ ms: Math.round(reply.elapsedTime), ip: scopeOf(request, config).ip, ...request.logged },
      },
      'request',
    );
  });
}

/** Never the path itself, which may contain a credential: that of a CSV download does. */
const pathOf = ({ routeOptions }: FastifyRequest) => routeOptions.url ?? '(unknown)';

/** Describes the caller and the root fields of the operation in the log line of the request. */
export const logOperation =
  (request: FastifyRequest, caller: Caller) =>
  ({ operation }: ValidOperation): void => {
    const names = operation.selectionSet.selections.flatMap((selection) =>
      selection.kind === 'Field' ? [selection.name.value] : [],
    );
    const shown = names.length > MAX_NAMES ? [...names.slice(0, MAX_NAMES), '…'] : names;
    request.logged = { caller: nameOf(caller), operation: `${operation.operation} ${shown.join(', ')}` };
  };

function nameOf(caller: Caller): string {
  if (caller.kind === 'user') return `user ${caller.userId}`;
  return caller.kind === 'agent' ? `agent ${caller.serverId}` : caller.kind;
}
