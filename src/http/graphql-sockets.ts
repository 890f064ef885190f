import type { Server } from 'node:http';
import { CloseCode } from 'graphql-ws';
import type { Config } from '../config.ts';
import type { Shared } from '../context.ts';
import type { Caller, UserCaller } from '../modules/kernel/caller.ts';
import { authenticate } from '../modules/lifecycle/login/authenticate.ts';
import { createKeyedSemaphores } from '../platform/concurrency/keyed-semaphores.ts';
import { DomainError } from '../platform/errors.ts';
import { LIMITS } from '../platform/graphql/limits.ts';
import { SocketRefusal, TRY_AGAIN_LATER } from '../platform/graphql/socket-protocol.ts';
import { createUserSocketSlots } from '../platform/graphql/socket-slots.ts';
import { serveWebsockets, type WebsocketSettings } from '../platform/graphql/websocket.ts';
import { clientAddress } from '../platform/http/client-address.ts';
import { isAllowedOrigin, originOf } from '../platform/http/origin.ts';
import { outcomeOf } from '../platform/telemetry/metrics.ts';
import { createPlaintextSocketWatch } from '../platform/transport-encryption/plaintext-sockets.ts';
import { sealable } from '../platform/transport-encryption/sealed-socket.ts';
import { isDevice } from './encryption-policy.ts';
import { GRAPHQL_PATH } from './graphql-http.ts';
import { type Encryption, type GraphqlSettings, mayIntrospect } from './graphql-settings.ts';

type Close = (code: number, reason: string) => void;
type Release = () => void;

/**
 * Serves GraphQL subscriptions over websockets, in plaintext or encrypted.
 *
 * @returns `close`, which closes all sockets with 1001, so that clients reconnect to another
 *   instance
 */
export function serveGraphqlSockets(
  server: Server,
  { services, config, documents, shared, metrics }: GraphqlSettings,
  { encryption, encryptionPolicy }: Encryption,
): { close: () => Promise<void> } {
  const watchPlaintext = createPlaintextSocketWatch({ ...encryption, log: services.log });
  const takeSlot = createSlots(config);
  const statements = createKeyedSemaphores(LIMITS.concurrentStatements);
  const connect: WebsocketSettings['connect'] = async ({ params, scope, isSealed }, close) => {
    const caller = await authenticateSocket({ ...services, ...shared }, params.authorization);
    scope.hidesSchema = !mayIntrospect(caller, config);
    if (!isSealed) await orClose(encryptionPolicy.ensurePlaintextSessionAllowed(caller));
    const releases = await releasingOnError(takeSlot(caller), () => connectCaller(shared, caller, close));
    const refuse = ({ code }: DomainError) => close(CloseCode.BadRequest, code);
    if (!isSealed && isDevice(caller)) releases.push(watchPlaintext(refuse));
    const { semaphore, release } = statements.hold(ownerOf(caller).userId);
    scope.statements = semaphore;
    metrics.sockets.inc();
    releases.push(() => metrics.sockets.dec(), release);
    return {
      charge: ({ statements }) => shared.operationRateLimiter.chargeKnown(caller, statements),
      context: (request) => ({ ...services, ...shared, caller, request: { ...scope, ...request } }),
      closed: () => {
        for (const release of releases) release();
      },
    };
  };
  return serveWebsockets(server, {
    documents,
    log: services.log,
    path: GRAPHQL_PATH,
    isAllowedOrigin: (origin, request) => isAllowedOrigin(origin, request, config.ALLOWED_ORIGINS),
    addressOf: (request) => clientAddress(request, config.TRUST_PROXY),
    originOf: (request) => originOf(request, config.TRUST_PROXY),
    seal: (channel) => sealable(channel, encryption),
    isCounted: config.RATE_LIMITS,
    isShared: (address) => shared.ownAddresses.has(address),
    connect,
    onMessage: (operation = 'invalid', errorCode) =>
      metrics.messages.inc({ operation, outcome: outcomeOf(errorCode) }),
  });
}

/** Releases the slot if the next step fails. */
async function releasingOnError(release: Release, next: () => Promise<Release>): Promise<Release[]> {
  try {
    return [release, await next()];
  } catch (error) {
    release();
    throw error;
  }
}

/**
 * Turns a refusal of the connection into a close code, as there is no operation to report it to.
 */
async function orClose(work: Promise<void>): Promise<void> {
  await work.catch((error: unknown) => {
    throw error instanceof DomainError ? new SocketRefusal(CloseCode.BadRequest, error.code) : error;
  });
}

/**
 * Limits sockets per user. The close code makes clients reconnect, because a slot may be occupied
 * by a broken connection until its next ping times out.
 */
function createSlots({ RATE_LIMITS }: Pick<Config, 'RATE_LIMITS'>): (caller: Caller) => Release {
  if (!RATE_LIMITS) return () => () => {};
  const slots = createUserSocketSlots(LIMITS.socketsPerUser);
  return (caller) => {
    const release = slots.take(ownerOf(caller));
    if (!release) throw new SocketRefusal(TRY_AGAIN_LATER, 'RATE_LIMITED: too many sockets');
    return release;
  };
}

/** Whom the sockets of the caller are counted for: the user, or the server of an agent. */
function ownerOf(caller: Caller): { userId: string; deviceId: string | null } {
  if (caller.kind === 'user') return caller;
  return { userId: caller.kind === 'agent' ? caller.serverId : '', deviceId: null };
}

/**
 * Marks the caller online while the socket is open.
 *
 * @returns a function to call when the socket has closed
 */
async function connectCaller(shared: Shared, caller: Caller, close: Close): Promise<Release> {
  if (caller.kind === 'user') return connectUser(shared, caller, close);
  // The token may be revoked while the socket is open.
  if (caller.kind === 'agent')
    return shared.agentPresence.connect(caller, () => close(4401, 'SERVER_TOKEN_REVOKED'));
  return () => {};
}

/**
 * Marks the device online while the socket is open. Closes the socket when the session is revoked
 * or expires (4401), or when another device of the account replaces this one (4409). graphql-ws
 * clients do not reconnect after either code.
 */
async function connectUser(
  { presence, sessionWatch }: Pick<Shared, 'presence' | 'sessionWatch'>,
  { sessionId, userId, deviceId }: UserCaller,
  close: Close,
): Promise<Release> {
  const displaced = () => close(4409, 'DEVICE_DISPLACED');
  const disconnect =
    deviceId === null ? () => {} : await presence.connect({ userId, deviceId }, { displaced });
  const stopWatching = sessionWatch.watch(sessionId, () => {
    // Does not wait for 'close', which a client can delay by not completing the closing handshake.
    disconnect();
    close(4401, 'SESSION_REVOKED');
  });
  return () => {
    stopWatching();
    disconnect();
  };
}

/** graphql-ws clients reconnect with a new token after 4403, and do not reconnect after 4401. */
async function authenticateSocket(
  services: Parameters<typeof authenticate>[0],
  authorization: unknown,
): Promise<Exclude<Caller, { kind: 'anonymous' }>> {
  const caller = await authenticate(services, typeof authorization === 'string' ? authorization : undefined);
  if (caller.kind !== 'anonymous') return caller;
  if (caller.refusedToken === 'EXPIRED')
    throw new SocketRefusal(4403, 'UNAUTHENTICATED: the access token has expired');
  throw new SocketRefusal(4401, caller.refusedToken === 'REVOKED' ? 'SESSION_REVOKED' : 'UNAUTHENTICATED');
}
