import { type Coalescer, createCoalescer } from '../../../platform/concurrency/coalescer.ts';
import { SECOND_MS } from '../../../platform/database/clock.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { createEndWatch, type EndWatch } from '../../../platform/watch/end-watch.ts';
import type { AgentCaller } from '../../kernel/caller.ts';
import { SERVER_TOKEN_REVOKED } from '../../kernel/topics.ts';

/** That an agent was heard of is written down at most so often; OFFLINE is after a minute. */
const WRITE_EVERY_MS = 5 * SECOND_MS;
/** An agent whose socket is open is there, also when it has nothing to say. */
const SOCKET_BEAT_MS = 10 * SECOND_MS;

/** Which agents are there. */
export interface AgentPresence {
  /** Notes that an agent was heard of; neither waits nor throws. */
  seen(caller: AgentCaller): void;
  /**
   * The agent has a socket open: it is there until the function that comes back is called. `ended` is called when its
   * token is good no longer.
   */
  arrive(caller: AgentCaller, ended: () => void): () => void;
}

export function createAgentPresence(services: Pick<Services, 'db' | 'pubSub' | 'log'>): AgentPresence {
  const tokens = createTokenWatch(services);
  const writes = createWrites(services);
  const writtenAt = new Map<string, number>();
  const seen = ({ serverId }: AgentCaller) => {
    if (Date.now() - (writtenAt.get(serverId) ?? 0) < WRITE_EVERY_MS) return;
    writtenAt.set(serverId, Date.now());
    writes.add(serverId).catch((err: unknown) => {
      writtenAt.delete(serverId);
      services.log.warn({ err, serverId }, 'it could not be written down that an agent was heard of');
    });
  };
  return {
    seen,
    arrive(caller, ended) {
      seen(caller);
      const beat = setInterval(() => seen(caller), SOCKET_BEAT_MS).unref();
      const stopWatching = tokens.watch(caller.tokenHash, ended);
      return () => {
        clearInterval(beat);
        stopWatching();
      };
    },
  };
}

function createWrites({ db }: Pick<Services, 'db'>): Coalescer<string, void> {
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
