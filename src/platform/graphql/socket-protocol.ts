import { randomUUID } from 'node:crypto';
import { CloseCode, type Context, makeServer, type SubscribePayload } from 'graphql-ws';
import type { WebSocket } from 'ws';
import type { Logger } from '../logger.ts';
import { inRequestScope, type RequestScope } from '../request-scope.ts';
import { inSpan } from '../telemetry/tracing.ts';
import type { Cost } from './cost.ts';
import type { DocumentStore } from './document-store.ts';
import { LIMITS, tooComplex } from './limits.ts';
import { maskError } from './mask-error.ts';
import { type PreparedSubscription, prepareSubscription } from './operation.ts';
import { subscribeDistinct } from './subscribe.ts';

/** Closes the socket. The code decides whether graphql-ws clients reconnect. */
export class SocketRefusal extends Error {
  constructor(
    readonly closeCode: number,
    reason: string,
  ) {
    super(reason);
    this.name = 'SocketRefusal';
  }
}

/** An authenticated client. */
export interface SocketClient {
  /** Creates the context of a subscription. */
  context: (scope: RequestScope) => object;
  /** Charges a subscription to the client. @throws DomainError to refuse it */
  charge: (cost: Cost) => void;
  /** Called once, after the socket has closed. */
  closed: () => void;
}

/**
 * Authenticates a client that has sent `connection_init`. Calling `close` closes the socket at any
 * later time.
 *
 * @throws SocketRefusal with the close code
 */
export type Connect = (
  connection: { params: Record<string, unknown>; scope: RequestScope; isSealed: boolean },
  close: (code: number, reason: string) => void,
) => Promise<SocketClient>;

/**
 * Called for each message of a subscription.
 *
 * @param label as `operationLabel`; undefined if the subscription is invalid
 * @param errorCode of the first error in it
 */
export type MessageListener = (label: string | undefined, errorCode: string | undefined) => void;

interface ActiveSubscription {
  scope: RequestScope;
  /** As `operationLabel`, once the subscription is valid. */
  label?: string;
  /** Upper bound of the memory that its document and variables retain. */
  bytes: number;
}

/** State of a socket, stored in the `extra` of its graphql-ws context. */
export interface Extra {
  socket: WebSocket;
  scope: RequestScope;
  /** Of the request that opened the socket: clients other than browsers can set it. */
  authorization: string | undefined;
  /** Whether messages use transport encryption. */
  isSealed: () => boolean;
  client?: SocketClient;
  /** The active subscriptions, by the ids of `SubscriptionIds`. */
  subscriptions: Map<string, ActiveSubscription>;
  /** Returns the payload of the client's `subscribe`, which graphql-ws does not get. */
  takePayload: (id: string) => SubscribePayload;
  /** Called when the client has authenticated. */
  authenticated: () => void;
}

type SocketContext = Context<Record<string, unknown>, Extra>;

/** Close code after which graphql-ws clients reconnect. */
export const TRY_AGAIN_LATER = 1013;

/**
 * Creates the `graphql-transport-ws` server. It accepts subscriptions only, and validates them and
 * masks errors as over HTTP. Messages travel over the channel that each socket is opened with.
 */
export function createProtocol({
  documents,
  log,
  connect,
  onMessage,
}: {
  documents: DocumentStore;
  log: Logger;
  connect: Connect;
  onMessage: MessageListener;
}) {
  const maskFor = ({ subscriptions, scope }: Extra, id: string, error: unknown) =>
    inRequestScope(subscriptions.get(id)?.scope ?? scope, () => maskError(error, log, documents.schema));
  return makeServer<Record<string, unknown>, Extra>({
    connectionInitWaitTimeout: 5_000,
    onConnect: (ctx) => authenticate(ctx, connect, log),
    onSubscribe: ({ extra, subscriptions }, id) => {
      const scope = { ...extra.scope, requestId: randomUUID() };
      const active: ActiveSubscription = { scope, bytes: 0 };
      extra.subscriptions.set(id, active);
      const payload = extra.takePayload(id);
      if (Object.keys(subscriptions).length > LIMITS.subscriptionsPerSocket) {
        return [tooComplex(`A websocket can have at most ${LIMITS.subscriptionsPerSocket} subscriptions.`)];
      }
      const client = { context: extra.client?.context(scope) ?? {}, charge: chargeOf(extra) };
      const prepared = inRequestScope(scope, () => prepareSubscription(documents, payload, client));
      if (!('bytes' in prepared)) return prepared;
      active.bytes = prepared.bytes;
      active.label = prepared.label;
      const bytes = Object.keys(subscriptions).map((each) => extra.subscriptions.get(each)?.bytes ?? 0);
      return sumOf(bytes) > LIMITS.subscriptionBytes ? [tooLarge()] : prepared;
    },
    subscribe: (args) => startSubscription(args as PreparedSubscription),
    onNext: ({ extra }, id, _payload, _args, { data, errors, extensions }) => {
      const masked = errors?.map((error) => maskFor(extra, id, error));
      onMessage(extra.subscriptions.get(id)?.label, masked?.[0]?.extensions.code);
      return {
        ...(data !== undefined && { data }),
        ...(extensions && { extensions }),
        ...(masked && { errors: masked }),
      };
    },
    onError: ({ extra }, id, _payload, errors) => {
      const masked = errors.map((error) => maskFor(extra, id, error));
      onMessage(extra.subscriptions.get(id)?.label, masked[0]?.extensions.code);
      // graphql-ws does not call onComplete after an error.
      extra.subscriptions.delete(id);
      return masked;
    },
    onComplete: ({ extra }, id) => {
      extra.subscriptions.delete(id);
    },
    onClose: ({ extra }) => extra.client?.closed(),
  });
}

const startSubscription = (prepared: PreparedSubscription) =>
  inSpan(prepared.label, { isRoot: true, kind: 'server' }, () =>
    subscribeDistinct(prepared, (prepared.contextValue as { request: RequestScope }).request),
  );

const chargeOf =
  ({ client }: Extra) =>
  (cost: Cost) =>
    client?.charge(cost);

const sumOf = (numbers: readonly number[]) => numbers.reduce((sum, number) => sum + number, 0);

const tooLarge = () =>
  tooComplex('The documents and variables of the subscriptions on this websocket are too large together.');

/**
 * Closes the socket on failure. graphql-ws clients reconnect after 4403 and 1013, but not after
 * 4401.
 */
async function authenticate(ctx: SocketContext, connect: Connect, log: Logger): Promise<boolean> {
  const { extra } = ctx;
  try {
    const client = await inRequestScope(extra.scope, () =>
      connect({ params: paramsOf(ctx), scope: extra.scope, isSealed: extra.isSealed() }, (code, reason) =>
        extra.socket.close(code, reason),
      ),
    );
    if (extra.socket.readyState !== extra.socket.OPEN) client.closed();
    else extra.client = client;
    extra.authenticated();
    return true;
  } catch (error) {
    const refusal = inRequestScope(extra.scope, () => asSocketRefusal(error, log));
    extra.socket.close(refusal.closeCode, refusal.message);
    return false;
  }
}

/** Chooses the close code for an error. Logs outages and bugs. */
export function asSocketRefusal(error: unknown, log: Logger): SocketRefusal {
  if (error instanceof SocketRefusal) return error;
  const { code } = maskError(error, log).extensions;
  const isOutage = code === 'SERVICE_UNAVAILABLE' || code === 'RATE_LIMITED';
  return new SocketRefusal(isOutage ? TRY_AGAIN_LATER : CloseCode.InternalServerError, code);
}

/** Some clients spell the name as in HTTP, or send the header itself. */
function paramsOf({ extra, connectionParams }: SocketContext): Record<string, unknown> {
  const { authorization, Authorization, ...others } = connectionParams ?? {};
  return { ...others, authorization: authorization ?? Authorization ?? extra.authorization };
}
