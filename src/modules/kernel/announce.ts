import type { Services } from '../../platform/services.ts';
import {
  BATCH_CHANGED,
  DEVICE_DISPLACED,
  ORDER_CHANGED,
  PLAN_CHANGED,
  PLAN_USERS_CHANGED,
  SERVER_DEVICES_CHANGED,
  SERVER_TOKEN_REVOKED,
  SESSION_ENDED,
  SITE_CHANGED,
  USER_CHANGED,
} from './topics.ts';

/** Ids of the entities that a transaction changed; watchers subscribe by these ids. */
export interface Changes {
  batchIds?: readonly string[];
  /** `<user id>:<device id>`. */
  displacedDevices?: readonly string[];
  orderIds?: readonly string[];
  /** Plans whose content or nodes changed. */
  planIds?: readonly string[];
  /** Plans whose set of admitted users may have changed. */
  planIdsOfUsers?: readonly string[];
  /** SHA-256 hashes of the tokens, in hex. */
  revokedServerTokens?: readonly string[];
  /** Servers that have to disconnect other devices than before. */
  serverIdsOfDevices?: readonly string[];
  sessionIds?: readonly string[];
  /** `['site']` if its settings changed. */
  sites?: readonly string[];
  userIds?: readonly string[];
}

/**
 * In order of publication: sockets of revoked sessions close before their users get other updates.
 */
const TOPICS = [
  ['sessionIds', SESSION_ENDED],
  ['revokedServerTokens', SERVER_TOKEN_REVOKED],
  ['sites', SITE_CHANGED],
  ['displacedDevices', DEVICE_DISPLACED],
  ['serverIdsOfDevices', SERVER_DEVICES_CHANGED],
  ['orderIds', ORDER_CHANGED],
  ['batchIds', BATCH_CHANGED],
  ['planIds', PLAN_CHANGED],
  ['planIdsOfUsers', PLAN_USERS_CHANGED],
  ['userIds', USER_CHANGED],
] as const satisfies readonly (readonly [keyof Changes, string])[];

/**
 * Wakes the watchers of these entities on every instance. Call it after the commit, and after
 * invalidating caches: a watcher that wakes earlier reads stale data.
 *
 * Messages carry ids and no data: watchers read the current state from PostgreSQL. No other code
 * calls `publish`.
 */
export function announce({ pubSub }: Pick<Services, 'pubSub'>, changes: Changes): void {
  for (const [key, topic] of TOPICS) {
    const ids = changes[key];
    if (ids && ids.length > 0) pubSub.publish(topic, ids);
  }
}
