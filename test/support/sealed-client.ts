import { createClient as createSocketClient } from 'graphql-ws';
import { WebSocket } from 'ws';
import { createEncryptedClient } from '../../examples/encrypted-client/encrypted-client.ts';
import { sealedWebSocket } from '../../examples/encrypted-client/sealed-web-socket.ts';
import { fetchTransportKey } from '../../examples/encrypted-client/transport-key.ts';
import { rotateTransportKey } from '../../src/modules/catalog/site/rotate-transport-key.ts';
import { announce } from '../../src/modules/kernel/announce.ts';
import type { RunningServices } from '../../src/platform/services.ts';
import { type Answer, type Client, oneError, someData } from './client.ts';
import { buildUser } from './factories.ts';

/** Rotates the transport key as an admin. Returns the id of the new key. */
export async function newTransportKey(services: RunningServices): Promise<string> {
  const { id: actorId } = await buildUser(services.db, { role: 'ADMIN' });
  return (await rotateTransportKey(services, { actorId })).kid;
}

/** Sets whether devices must encrypt. */
export async function requireEncryption(
  { db, pubSub }: RunningServices,
  transportEncryption = true,
): Promise<void> {
  await db.siteSettings.update({ where: { id: 1 }, data: { transportEncryption } });
  announce({ pubSub }, { sites: ['site'] });
}

/** A websocket with an all-zero mask, so that its frames are readable on the wire. */
export class UnmaskedWebSocket extends WebSocket {
  constructor(url: string, protocol: string) {
    super(url, protocol, { generateMask: (mask) => mask.fill(0) });
  }
}

/** A client that encrypts everything, based on examples/encrypted-client. */
export function createSealedClient(url: string, token?: string): Client {
  const fetchKey = () => fetchTransportKey(url);
  const http = createEncryptedClient({ url, fetchKey });
  const sockets = createSocketClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    webSocketImpl: sealedWebSocket(UnmaskedWebSocket, fetchKey),
    connectionParams: () => ({ ...(client.token && { authorization: `Bearer ${client.token}` }) }),
    retryAttempts: 0,
  });
  const ask: Client['ask'] = async <Result>(document: { toString(): string }, ...[variables]: unknown[]) => {
    const request = { query: document.toString(), variables: variables as Record<string, unknown> };
    const answer = await http.send<Result>(request, client.token);
    return { status: 200, headers: new Headers(), ...answer } as Answer<Result>;
  };
  const client: Client = {
    token,
    ask,
    get: async (document, ...variables) => someData(await ask(document, ...variables)),
    refused: async (document, ...variables) => oneError(await ask(document, ...variables)),
    subscribe: (document, ...[variables]) =>
      sockets.iterate({
        query: document.toString(),
        variables: variables as Record<string, unknown>,
      }) as never,
    as: (other) => createSealedClient(url, other),
    close: async () => sockets.dispose(),
  };
  return client;
}
