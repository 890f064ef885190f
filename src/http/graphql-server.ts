import type { FastifyInstance } from 'fastify';
import type { GraphQLSchema } from 'graphql';
import { createDocumentStore, type DocumentStore } from '../platform/graphql/document-store.ts';
import { type Metrics, observeCache } from '../platform/telemetry/metrics.ts';
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
  { schema, ...given }: Omit<GraphqlSettings, 'documents'> & { schema: GraphQLSchema },
): Promise<() => Promise<void>> {
  const documents = createDocumentStore(schema);
  const settings = { ...given, documents };
  const { services, shared, metrics } = settings;
  observeDocuments(metrics, documents);
  observeCache(metrics, 'recent_sessions', shared.recentSessions);
  const encryption = createTransportEncryption(services, {
    isRequired: async () => (await shared.recentSiteSettings()).transportEncryption,
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

function observeDocuments({ observe, observeTotal }: Metrics, { usage }: DocumentStore): void {
  const name = (what: string) => `tessera_stored_documents${what}`;
  observe(name(''), 'GraphQL documents in the store', async () => usage().entries);
  observe(name('_bytes'), 'Upper bound of the memory that they retain', async () => usage().bytes);
  observeTotal(name('_hits_total'), 'Requests whose document was in the store', () => usage().hits);
  observeTotal(name('_misses_total'), 'Requests whose document was parsed', () => usage().misses);
}
