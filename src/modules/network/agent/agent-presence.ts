import { type Coalescer, createCoalescer } from '../../../platform/concurrency/coalescer.ts';
import { SECOND_MS } from '../../../platform/database/clock.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { createEndWatch, type EndWatch } from '../../../platform/watch/end-watch.ts';
import type { AgentCaller } from '../../kernel/caller.ts';
import { SERVER_TOKEN_REVOKED } from '../../kernel/topics.ts';

/** Shortest time between two updates of `last_seen_at`. A server is offline after a minute. */
const UPDATE_EVERY_MS = 5 * SECOND_MS;
/** An open socket counts as a sign of life at this interval, even if the agent sends nothing. */
const HEARTBEAT_MS = 10 * SECOND_MS;

/** Records when agents were last seen. */
export interface AgentPresence {
  /** Records that an agent was seen just now. Neither waits nor throws. */
  recordSeen(caller: AgentCaller): void;
  /**
   * Keeps the server online while the agent has a socket open.
   *
   * @param onRevoked called when the token of the agent is revoked
   * @returns a function to call when the socket closes
   */
  connect(caller: AgentCaller, onRevoked: () => void): () => void;
}

export function createAgentPresence(services: Pick<Services, 'db' | 'pubSub' | 'log'>): AgentPresence {
  const tokens = createTokenWatch(services);
  const updates = createUpdates(services);
  const updatedAt = new Map<string, number>();
  const recordSeen = ({ serverId }: AgentCaller) => {
    if (Date.now() - (updatedAt.get(serverId) ?? 0) < UPDATE_EVERY_MS) return;
    updatedAt.set(serverId, Date.now());
    updates.add(serverId).catch((err: unknown) => {
      updatedAt.delete(serverId);
      services.log.warn({ err, serverId }, 'failed to update servers.last_seen_at');
    });
  };
  return {
    recordSeen,
    connect(caller, onRevoked) {
      recordSeen(caller);
      const heartbeat = setInterval(() => recordSeen(caller), HEARTBEAT_MS).unref();
      const stopWatching = tokens.watch(caller.tokenHash, onRevoked);
      return () => {
        clearInterval(heartbeat);
        stopWatching();
      };
    },
  };
}

function createUpdates({ db }: Pick<Services, 'db'>): Coalescer<string, void> {
  return createCoalescer<string, void>({
    run: async (serverIds) => {
      await db.$executeRaw`
        UPDATE servers SET last_seen_at = tessera_now()
        WHERE id IN (SELECT id FROM servers WHERE id = ANY(${[...new Set(serverIds)]}::uuid[])
          ORDER BY id FOR NO KEY UPDATE)`;
      return serverIds.map(() => ({ status: 'fulfilled', value: undefined }));
    },
    maxSize: 1_000,
    failTogether: () => true,
    overloaded: () => new PlatformError('SERVICE_UNAVAILABLE'),
  });
}

function createTokenWatch({ db, ...services }: Pick<Services, 'db' | 'pubSub' | 'log'>): EndWatch {
  return createEndWatch({
    ...services,
    topic: SERVER_TOKEN_REVOKED,
    findEnded: async (hashes) => {
      const rows = await db.$queryRaw<{ hash: string }[]>`
        SELECT w.hash FROM unnest(${hashes}::text[]) AS w(hash)
        WHERE NOT EXISTS (
          SELECT FROM servers WHERE token_hash = decode(w.hash, 'hex') AND deleted_at IS NULL)`;
      return rows.map(({ hash }) => hash);
    },
  });
}
