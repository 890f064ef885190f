import type { FastifyInstance } from 'fastify';
import { requiresEncryption } from '../modules/catalog/site/read-site-settings.ts';
import { createSharedRead } from '../platform/concurrency/shared-read.ts';
import { createTransportEncryption } from '../platform/transport-encryption/transport-encryption.ts';
import { createEncryptionPolicy } from './encryption-policy.ts';
import { serveGraphqlHttp } from './graphql-http.ts';
import type { GraphqlSettings } from './graphql-settings.ts';
import { serveGraphqlSockets } from './graphql-sockets.ts';

/**
 * Serves GraphQL over HTTP and, on the same path, subscriptions over websockets.
 *
 * @returns a function that closes the sockets with 1001, marks their devices offline, and stops the
 *   Apollo server
 */
export async function serveGraphql(
  app: FastifyInstance,
  settings: GraphqlSettings,
): Promise<() => Promise<void>> {
  const { services, schema, shared } = settings;
  const encryption = createTransportEncryption(services, {
    isRequired: createSharedRead(() => requiresEncryption(services)),
  });
  const encryptionPolicy = createEncryptionPolicy(services, { schema, ...encryption });
  const closeHttp = await serveGraphqlHttp(app, settings, { encryption, encryptionPolicy });
  const sockets = serveGraphqlSockets(app.server, settings, { encryption, encryptionPolicy });
  return async () => {
    await sockets.close();
    await shared.presence.close();
    await closeHttp();
  };
}
