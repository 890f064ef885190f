import type { Server } from 'node:http';
import { CloseCode } from 'graphql-ws';
import type { Config } from '../config.ts';
import type { Shared } from '../context.ts';
import type { Caller, UserCaller } from '../modules/kernel/caller.ts';
import { authenticate } from '../modules/lifecycle/login/authenticate.ts';
import { isOurServer } from '../modules/network/server/own-addresses.ts';
import { DomainError } from '../platform/errors.ts';
import { LIMITS } from '../platform/graphql/limits.ts';
import { SocketRefusal, TRY_AGAIN_LATER } from '../platform/graphql/socket-protocol.ts';
import { createUserSocketSlots } from '../platform/graphql/socket-slots.ts';
import { serveWebsockets, type WebsocketSettings } from '../platform/graphql/websocket.ts';
import { clientAddress } from '../platform/http/client-address.ts';
import { isAllowedOrigin, originOf } from '../platform/http/origin.ts';
import type { Services } from '../platform/services.ts';
import { createPlaintextSocketWatch } from '../platform/transport-encryption/plaintext-sockets.ts';
import { sealable } from '../platform/transport-encryption/sealed-socket.ts';
import { isDevice } from './encryption-policy.ts';
import { GRAPHQL_PATH } from './graphql-http.ts';
import { type Encryption, type GraphqlSettings, mayIntrospect } from './graphql-settings.ts';

type Close = (code: number, reason: string) => void;
type Leave = () => void;

/**
 * Answers GraphQL subscriptions over websockets, in clear or encrypted.
 *
 * @returns `close`, which tells every client to reconnect elsewhere (1001)
 */
export function serveGraphqlSockets(
  server: Server,
  { services, config, schema, shared, metrics }: GraphqlSettings,
  { encryption, encryptionPolicy: deviceTraffic }: Encryption,
): { close: () => Promise<void> } {
  const watchClear = createPlaintextSocketWatch({ ...encryption, log: services.log });
  const takePlace = createPlaces(config);
  const connect: WebsocketSettings['connect'] = async ({ params, scope, isSealed }, close) => {
    const caller = await admit(services, params.authorization);
    scope.hidesSchema = !mayIntrospect(caller, config);
    if (!isSealed) await orClose(deviceTraffic.ensurePlaintextSessionAllowed(caller));
    const leaves = await enter(takePlace(caller), () => holdOpen(shared, caller, close));
    const refuse = ({ code }: DomainError) => close(CloseCode.BadRequest, code);
    if (!isSealed && isDevice(caller)) leaves.push(watchClear(refuse));
    metrics.sockets.inc();
    leaves.push(() => metrics.sockets.dec());
    return {
      context: (request) => ({ ...services, ...shared, caller, request: { ...scope, ...request } }),
      closed: () => {
        for (const leave of leaves) leave();
      },
    };
  };
  return serveWebsockets(server, {
    schema,
    log: services.log,
    path: GRAPHQL_PATH,
    isAllowedOrigin: (origin, request) => isAllowedOrigin(origin, request, config.ALLOWED_ORIGINS),
    addressOf: (request) => clientAddress(request, config.TRUST_PROXY),
    originOf: (request) => originOf(request, config.TRUST_PROXY),
    seal: (channel) => sealable(channel, encryption),
    isCounted: config.RATE_LIMITS,
    isShared: (address) => isOurServer(services, address),
    connect,
  });
}

/** A place that was taken is given back when the next step fails. */
async function enter(leave: Leave, next: () => Promise<Leave>): Promise<Leave[]> {
  try {
    return [leave, await next()];
  } catch (error) {
    leave();
    throw error;
  }
}

/** A refusal that comes before anything was asked closes the socket. */
async function orClose(work: Promise<void>): Promise<void> {
  await work.catch((error: unknown) => {
    throw error instanceof DomainError ? new SocketRefusal(CloseCode.BadRequest, error.code) : error;
  });
}

/** Clients come again after 1013: a place may be taken by a connection that broke without a word, for a while. */
function createPlaces({ RATE_LIMITS }: Pick<Config, 'RATE_LIMITS'>): (caller: Caller) => Leave {
  if (!RATE_LIMITS) return () => () => {};
  const places = createUserSocketSlots(LIMITS.socketsPerUser);
  return (caller) => {
    const { userId, deviceId } =
      caller.kind === 'user' ? caller : { userId: agentIdOf(caller), deviceId: null };
    const leave = places.take({ userId, deviceId });
    if (!leave) throw new SocketRefusal(TRY_AGAIN_LATER, 'RATE_LIMITED: too many sockets');
    return leave;
  };
}

const agentIdOf = (caller: Caller) => (caller.kind === 'agent' ? caller.serverId : '');

/** Whoever has opened the socket is there while it is open. Gives what is to be called when the socket has closed. */
async function holdOpen(shared: Shared, caller: Caller, close: Close): Promise<Leave> {
  if (caller.kind === 'user') return holdUser(shared, caller, close);
  // Its token may end before its socket.
  if (caller.kind === 'agent')
    return shared.agentPresence.arrive(caller, () => close(4401, 'SERVER_TOKEN_REVOKED'));
  return () => {};
}

/**
 * While the socket is open its device is online. It is closed when the session ends (4401), or when another device
 * of the account takes its place (4409): graphql-ws clients stop after either.
 */
async function holdUser(
  { presence, sessionWatch }: Pick<Shared, 'presence' | 'sessionWatch'>,
  { sessionId, userId, deviceId }: UserCaller,
  close: Close,
): Promise<Leave> {
  const displaced = () => close(4409, 'DEVICE_DISPLACED');
  const leave = deviceId === null ? () => {} : await presence.arrive({ userId, deviceId }, { displaced });
  const stopWatching = sessionWatch.watch(sessionId, () => {
    // A client that does not answer the close is gone all the same.
    leave();
    close(4401, 'SESSION_REVOKED');
  });
  return () => {
    stopWatching();
    leave();
  };
}

/** graphql-ws clients come again with a new token after 4403, and stop after 4401. */
async function admit(services: Services, authorization: unknown): Promise<Caller> {
  const caller = await authenticate(services, typeof authorization === 'string' ? authorization : undefined);
  if (caller.kind !== 'anonymous') return caller;
  if (caller.refusedToken === 'EXPIRED')
    throw new SocketRefusal(4403, 'UNAUTHENTICATED: the access token has expired');
  throw new SocketRefusal(4401, caller.refusedToken === 'REVOKED' ? 'SESSION_REVOKED' : 'UNAUTHENTICATED');
}
