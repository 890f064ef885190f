import { createReadCoalescer } from '../../../platform/database/read-coalescer.ts';
import type { Services } from '../../../platform/services.ts';
import type { WatchKind } from '../../../platform/watch/watch-kind.ts';
import { PLAN_USERS_CHANGED } from '../../kernel/topics.ts';
import { IS_NODE_OF_PLAN } from '../node-list/plans-of-nodes.ts';
import { readListStates, type ServerListState } from './read-list-states.ts';
import type { ListStates } from './read-server-users.ts';

/** The list of a server may have changed. Ids are server ids. */
const SERVER_USERS_CHANGED = 'server-users-changed';

/** Shortest time between two checks for lists that must be read again as a whole. */
const CHECK_EVERY_MS = 250;

/** The lists of users that the agents connected to this process read and watch. */
export interface UserLists {
  listStates: ListStates;
  watchedLists: WatchKind;
}

/** By server id, what was last read of its list: enough to route a wake-up. */
type ListIndex = Map<string, { planIds: ReadonlySet<string>; fullListRevision: bigint }>;

export function createUserLists(services: Pick<Services, 'db' | 'pubSub' | 'watcher' | 'log'>): UserLists {
  const { watcher } = services;
  const index: ListIndex = new Map();
  const listStates = createReadCoalescer(async (serverIds) => {
    const states = await readListStates(services, serverIds);
    for (const id of serverIds) updateIndex(index, id, states.get(id));
    return states;
  });
  const watchedLists = watcher.kind({
    topic: SERVER_USERS_CHANGED,
    fingerprints: (ids) => fingerprints(services, ids),
  });
  routeWakeUps(services, { index, watchedLists });
  return { listStates, watchedLists };
}

function updateIndex(index: ListIndex, id: string, state: ServerListState | undefined): void {
  if (!state) {
    index.delete(id);
    return;
  }
  const planIds = new Set(state.plans.map((plan) => plan.id));
  index.set(id, { planIds, fullListRevision: state.fullListRevision });
}

/** Changes with every change to a list, including those that cannot be sent yet. */
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
 * Turns wake-ups for plans into wake-ups for the lists that contain them. The index is out of date
 * for a server to which a plan was just added; one query, at most every 250 ms, finds such servers.
 */
function routeWakeUps(
  { db, pubSub, log }: Pick<Services, 'db' | 'pubSub' | 'log'>,
  { index, watchedLists }: { index: ListIndex; watchedLists: WatchKind },
): void {
  let isScheduled = false;
  const wakeRenewedLists = async () => {
    isScheduled = false;
    const servers = await db.server.findMany({
      where: { id: { in: [...index.keys()] } },
      select: { id: true, fullListRevision: true },
    });
    const renewed = servers.filter(
      ({ id, fullListRevision }) => index.get(id)?.fullListRevision !== fullListRevision,
    );
    watchedLists.wake(renewed.map(({ id }) => id));
  };
  pubSub.onWake((topic, planIds) => {
    if (topic !== PLAN_USERS_CHANGED || watchedLists.size === 0) return;
    const affected = [...index].filter(([, list]) => planIds.some((id) => list.planIds.has(id)));
    watchedLists.wake(affected.map(([id]) => id));
    if (isScheduled) return;
    isScheduled = true;
    setTimeout(() => {
      wakeRenewedLists().catch((err: unknown) =>
        log.warn({ err }, 'failed to find user lists that must be read in full'),
      );
    }, CHECK_EVERY_MS).unref();
  });
}
