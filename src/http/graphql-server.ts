import type { FastifyInstance } from 'fastify';
import { requiresEncryption } from '../modules/catalog/site/requires-encryption.ts';
import { createSharedRead } from '../platform/concurrency/shared-read.ts';
import { createTransportEncryption } from '../platform/transport-encryption/transport-encryption.ts';
import { createEncryptionPolicy } from './encryption-policy.ts';
import { serveGraphqlHttp } from './graphql-http.ts';
import type { GraphqlSettings } from './graphql-settings.ts';
import { serveGraphqlSockets } from './graphql-sockets.ts';

/**
 * Answers GraphQL over HTTP and, on the same path, subscriptions over websockets; either may be encrypted.
 *
 * @returns closes the sockets with 1001, which ends the stays of their devices, then ends the GraphQL server
 */
export async function serveGraphql(
  app: FastifyInstance,
  settings: GraphqlSettings,
): Promise<() => Promise<void>> {
  const { services, schema, shared } = settings;
  const encryption = createTransportEncryption(services, {
    isRequired: createSharedRead(() => requiresEncryption(services)),
  });
  const deviceTraffic = createEncryptionPolicy(services, { schema, ...encryption });
  const closeHttp = await serveGraphqlHttp(app, settings, { encryption, encryptionPolicy: deviceTraffic });
  const sockets = serveGraphqlSockets(app.server, settings, { encryption, encryptionPolicy: deviceTraffic });
  return async () => {
    await sockets.close();
    await shared.presence.close();
    await closeHttp();
  };
}
