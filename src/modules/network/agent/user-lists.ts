import { createCoalescer } from '../../../platform/concurrency/coalescer.ts';
import { isOutage } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import type { WatchKind } from '../../../platform/watch/watch-kind.ts';
import { PLAN_USERS_CHANGED } from '../../kernel/topics.ts';
import { IS_NODE_OF_PLAN } from '../node-list/plans-of-nodes.ts';
import { readListStates, type ServerListState } from './read-list-states.ts';
import type { ListStates } from './read-server-users.ts';

/** The list of a server may have changed; the id is the server's. */
const SERVER_USERS_CHANGED = 'server-users-changed';

/** The nodes of servers are looked at again at most so often after a wake-up. */
const LOOK_EVERY_MS = 250;

/** The lists of users that the agents of a process read and watch. */
export interface UserLists {
  listStates: ListStates;
  watchedLists: WatchKind;
}

/** What is remembered of a list that was read: what may concern it, and since when. */
type Known = Map<string, { planIds: ReadonlySet<string>; fullListRevision: bigint }>;

export function createUserLists(services: Pick<Services, 'db' | 'pubSub' | 'watcher' | 'log'>): UserLists {
  const { watcher } = services;
  const known: Known = new Map();
  const listStates: ListStates = createCoalescer({
    run: async (serverIds: string[]) => {
      const states = await readListStates(services, serverIds);
      for (const [place, id] of serverIds.entries()) remember(known, id, states[place]);
      return states;
    },
    maxSize: 500,
    maxWaiting: Number.POSITIVE_INFINITY,
    failTogether: isOutage,
    overloaded: () => new PlatformError('SERVICE_UNAVAILABLE'),
  });
  const watchedLists = watcher.kind({
    topic: SERVER_USERS_CHANGED,
    fingerprints: (ids) => fingerprints(services, ids),
  });
  wakeByPlan(services, { known, watchedLists });
  return { listStates, watchedLists };
}

function remember(known: Known, id: string, read: PromiseSettledResult<ServerListState | null> | undefined) {
  const state = read?.status === 'fulfilled' ? read.value : null;
  const planIds = new Set(state?.plans.map((plan) => plan.id));
  if (state) known.set(id, { planIds, fullListRevision: state.fullListRevision });
  else known.delete(id);
}

/** Differs after every change of what is listed, also of one that cannot be told yet. */
async function fingerprints({ db }: Pick<Services, 'db'>, ids: string[]): Promise<Map<string, string>> {
  const rows = await db.$queryRaw<{ id: string; fingerprint: string }[]>`
    WITH listed AS MATERIALIZED (
      SELECT DISTINCT n.server_id, p.id AS plan_id
      FROM nodes n JOIN plans p ON ${IS_NODE_OF_PLAN}
      WHERE n.server_id = ANY(${ids}::uuid[]) AND n.enabled AND n.deleted_at IS NULL),
    newest AS MATERIALIZED (
      SELECT plan_id, (SELECT revision FROM user_subscriptions WHERE plan_id = p.plan_id
        ORDER BY revision DESC LIMIT 1) AS revision
      FROM (SELECT DISTINCT plan_id FROM listed) p)
    SELECT s.id, concat_ws(':', s.full_list_revision, max(newest.revision)) AS fingerprint
    FROM servers s LEFT JOIN listed l ON l.server_id = s.id LEFT JOIN newest ON newest.plan_id = l.plan_id
    WHERE s.id = ANY(${ids}::uuid[]) AND s.deleted_at IS NULL GROUP BY s.id`;
  return new Map(rows.map(({ id, fingerprint }) => [id, fingerprint]));
}

/**
 * Wakes those whose list has the plan, and nobody else. A plan may just have come to a server, which its list as it was
 * read last does not tell: one cheap query after the wake-ups of a while finds those.
 */
function wakeByPlan(
  { db, pubSub, log }: Pick<Services, 'db' | 'pubSub' | 'log'>,
  { known, watchedLists }: { known: Known; watchedLists: WatchKind },
): void {
  let isDue = false;
  const look = async () => {
    isDue = false;
    const ids = [...known.keys()];
    const rows = await db.server.findMany({
      where: { id: { in: ids } },
      select: { id: true, fullListRevision: true },
    });
    const isNew = (row: (typeof rows)[number]) =>
      known.get(row.id)?.fullListRevision !== row.fullListRevision;
    watchedLists.wake(rows.filter(isNew).map(({ id }) => id));
  };
  pubSub.onWake((topic, planIds) => {
    if (topic !== PLAN_USERS_CHANGED || watchedLists.size === 0) return;
    const concerned = [...known].filter(([, list]) => planIds.some((id) => list.planIds.has(id)));
    watchedLists.wake(concerned.map(([id]) => id));
    if (isDue) return;
    isDue = true;
    setTimeout(() => {
      look().catch((err: unknown) => log.warn({ err }, 'the nodes of servers could not be looked at'));
    }, LOOK_EVERY_MS).unref();
  });
}
