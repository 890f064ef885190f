import type { Config } from '../config.ts';
import type { Shared } from '../context.ts';
import { type Caller, isAdmin } from '../modules/kernel/caller.ts';
import type { DocumentStore } from '../platform/graphql/document-store.ts';
import type { Services } from '../platform/services.ts';
import type { Metrics } from '../platform/telemetry/metrics.ts';
import type { TransportEncryption } from '../platform/transport-encryption/transport-encryption.ts';
import type { EncryptionPolicy } from './encryption-policy.ts';

/** Settings of both GraphQL transports. */
export interface GraphqlSettings {
  /** Shared by both transports. */
  documents: DocumentStore;
  services: Services;
  config: Config;
  metrics: Metrics;
  shared: Shared;
}

/** Transport encryption, and the policy that decides where it is required. */
export interface Encryption {
  encryption: TransportEncryption;
  encryptionPolicy: EncryptionPolicy;
}

/** Whether the caller may introspect the schema. */
export const mayIntrospect = (caller: Caller, { INTROSPECTION }: Pick<Config, 'INTROSPECTION'>): boolean =>
  INTROSPECTION || isAdmin(caller);
