import { randomUUID } from 'node:crypto';
import type { ExecutionArgs, GraphQLSchema } from 'graphql';
import { CloseCode, type Context, makeServer } from 'graphql-ws';
import type { WebSocket } from 'ws';
import type { Logger } from '../logger.ts';
import { inRequestScope, type RequestScope } from '../request-scope.ts';
import { LIMITS, tooComplex } from './limits.ts';
import { maskError } from './mask-error.ts';
import { prepareSubscription } from './operation.ts';
import { subscribeDistinct } from './subscribe.ts';

/** Closes the socket with a code that tells graphql-ws clients whether to come again. */
export class SocketRefusal extends Error {
  constructor(
    readonly closeCode: number,
    reason: string,
  ) {
    super(reason);
    this.name = 'SocketRefusal';
  }
}

/** A client that was let in. */
export interface SocketClient {
  /** The context of one subscription. */
  context: (scope: RequestScope) => object;
  /** Called once when the socket has closed. */
  closed: () => void;
}

/**
 * Decides who may connect; `close` ends the socket later on.
 *
 * @throws SocketRefusal with the close code
 */
export type Connect = (
  connection: { params: Record<string, unknown>; scope: RequestScope; isSealed: boolean },
  close: (code: number, reason: string) => void,
) => Promise<SocketClient>;

/** What belongs to one socket, beside what the protocol keeps. */
export interface Extra {
  socket: WebSocket;
  scope: RequestScope;
  /** Whether its messages are encrypted on their way. */
  isSealed: () => boolean;
  client?: SocketClient;
  /** Of each subscription, by the id that its client has given it. */
  subscriptions: Map<string, RequestScope>;
  /** Called once when it is known who it is. */
  letIn: () => void;
}

type SocketContext = Context<Record<string, unknown>, Extra>;

/** graphql-ws clients come again after it. */
export const TRY_AGAIN_LATER = 1013;

/**
 * The protocol `graphql-transport-ws`, subscriptions only, with the checks and the error mask of HTTP. It knows nothing of
 * how messages travel.
 */
export function makeProtocol({
  schema,
  log,
  connect,
}: {
  schema: GraphQLSchema;
  log: Logger;
  connect: Connect;
}) {
  return makeServer<Record<string, unknown>, Extra>({
    connectionInitWaitTimeout: 5_000,
    onConnect: (ctx) => admit(ctx, connect, log),
    onSubscribe: ({ extra, subscriptions }, id, payload) => {
      const scope = { ...extra.scope, requestId: randomUUID() };
      extra.subscriptions.set(id, scope);
      if (Object.keys(subscriptions).length > LIMITS.subscriptionsPerSocket) {
        return [tooComplex(`A socket carries ${LIMITS.subscriptionsPerSocket} subscriptions at most.`)];
      }
      return inRequestScope(scope, () =>
        prepareSubscription(schema, payload, extra.client?.context(scope) ?? {}),
      );
    },
    subscribe: (args) =>
      subscribeDistinct(args as ExecutionArgs, (args.contextValue as { request: RequestScope }).request),
    onNext: ({ extra }, id, _payload, _args, { data, errors, extensions }) => ({
      ...(data !== undefined && { data }),
      ...(extensions && { extensions }),
      ...(errors && { errors: errors.map((error) => maskFor(extra, id, error, log)) }),
    }),
    onError: ({ extra }, id, _payload, errors) => {
      const masked = errors.map((error) => maskFor(extra, id, error, log));
      // An operation that was refused does not complete.
      extra.subscriptions.delete(id);
      return masked;
    },
    onComplete: ({ extra }, id) => {
      extra.subscriptions.delete(id);
    },
    onClose: ({ extra }) => extra.client?.closed(),
  });
}

function maskFor({ subscriptions, scope }: Extra, id: string, error: unknown, log: Logger) {
  return inRequestScope(subscriptions.get(id) ?? scope, () => maskError(error, log));
}

/** graphql-ws clients come again after 4403 and 1013, and give up after 4401. */
async function admit(ctx: SocketContext, connect: Connect, log: Logger): Promise<boolean> {
  const { extra, connectionParams } = ctx;
  try {
    const client = await inRequestScope(extra.scope, () =>
      connect(
        { params: connectionParams ?? {}, scope: extra.scope, isSealed: extra.isSealed() },
        (code, reason) => extra.socket.close(code, reason),
      ),
    );
    if (extra.socket.readyState !== extra.socket.OPEN) client.closed();
    else extra.client = client;
    extra.letIn();
    return true;
  } catch (error) {
    const refusal = inRequestScope(extra.scope, () => asSocketRefusal(error, log));
    extra.socket.close(refusal.closeCode, refusal.message);
    return false;
  }
}

/** With what to close a socket for an error; one that is no refusal is logged. */
export function asSocketRefusal(error: unknown, log: Logger): SocketRefusal {
  if (error instanceof SocketRefusal) return error;
  const { code } = maskError(error, log).extensions;
  const isOutage = code === 'SERVICE_UNAVAILABLE' || code === 'RATE_LIMITED';
  return new SocketRefusal(isOutage ? TRY_AGAIN_LATER : CloseCode.InternalServerError, code);
}
