import { setTimeout as sleep } from 'node:timers/promises';
import { Prisma } from '../../../generated/prisma/client.ts';
import type { ReadCoalescer } from '../../../platform/database/read-coalescer.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { LAST_BUCKET, type ListCursor, packCursor } from '../user-list-cursor.ts';
import type { ListedPlan, ServerListState } from './read-list-states.ts';
import { nextSyncStep, pageLength, type SyncStep } from './sync-step.ts';

/** A subscription that a server admits. */
export interface ListedUser {
  subscriptionId: string;
  credential: string;
  nodeIds: string[];
  /** Mbit/s; null if unlimited. */
  speedLimit: number | null;
  /** Most devices connected concurrently; null if unlimited. */
  deviceLimit: number | null;
}

/** The changes that an agent applies to its list. */
export interface UserDelta {
  /** The packed cursor after these changes. */
  revision: bigint;
  /** Whether this starts a new list, which replaces everything the agent has. */
  full: boolean;
  hasMore: boolean;
  upserts: ListedUser[];
  removals: string[];
  /** Whether a further change is committed that cannot be sent yet. */
  isPending: boolean;
}

/** Reads the state of a server's list; undefined if the server does not exist. */
export type ListStates = ReadCoalescer<ServerListState>;

/** Longest time that running transactions may delay the first page of a list. */
const MAX_WAIT_MS = 2_000;
const FIRST_PAUSE_MS = 2;
const MAX_PAUSE_MS = 100;

/**
 * Reads the next part of a server's list of users.
 *
 * No change is skipped, although transactions do not commit in the order of their ids: only changes
 * below the oldest running transaction are sent. The two queries need no common snapshot: the
 * second reads nothing beyond the horizon of the first, and rows that changed in between have a new
 * revision.
 *
 * @param since the packed cursor that the agent got last; null for the whole list
 * @param sizeFor most entries, given the listed plans; a page has more only if they share one key
 * @throws PlatformError UNAUTHENTICATED when the server was deleted; SERVICE_UNAVAILABLE when other
 *   transactions delay the first page of a list for two seconds
 */
export async function readServerUsers(
  services: Pick<Services, 'db'> & { listStates: ListStates },
  {
    serverId,
    since,
    sizeFor,
  }: { serverId: string; since: bigint | null; sizeFor: (plans: readonly ListedPlan[]) => number },
): Promise<UserDelta> {
  let waitedMs = 0;
  for (let pauseMs = FIRST_PAUSE_MS; ; pauseMs = Math.min(pauseMs * 2, MAX_PAUSE_MS)) {
    const state = await services.listStates(serverId);
    if (!state) throw new PlatformError('UNAUTHENTICATED');
    const step = nextSyncStep(since, state);
    if (step.kind === 'UP_TO_DATE') {
      return { ...NO_CHANGES, revision: since ?? 0n, isPending: state.isPending };
    }
    if (step.kind !== 'WAIT') return readPage(services, { state, step, size: sizeFor(state.plans) });
    if (waitedMs >= MAX_WAIT_MS) throw new PlatformError('SERVICE_UNAVAILABLE');
    await sleep(pauseMs);
    waitedMs += pauseMs;
  }
}

const NO_CHANGES = { full: false, hasMore: false, upserts: [], removals: [] };

type ReadStep = Extract<SyncStep, { kind: 'SCAN' | 'CHANGES' }>;

interface ListRow extends Omit<ListCursor, 'isScan'> {
  id: string;
  planId: string;
  credential: string;
  isAdmitted: boolean;
}

async function readPage(
  { db }: Pick<Services, 'db'>,
  { state, step, size }: { state: ServerListState; step: ReadStep; size: number },
): Promise<UserDelta> {
  const rows = await readRows(db, { state, step, size });
  const keys = rows.map((row) => (step.kind === 'SCAN' ? row.bucket : `${row.revision}:${row.bucket}`));
  const page = rows.slice(0, pageLength(keys, size));
  const hasMoreRows = page.length < rows.length;
  const plans = new Map(state.plans.map((plan) => [plan.id, plan]));
  const upserts = page.flatMap((row) => (row.isAdmitted ? listedUser(row, plans.get(row.planId)) : []));
  // A scan builds a new list, so there is nothing to remove from it.
  const removals = step.kind === 'SCAN' ? [] : page.flatMap(({ id, isAdmitted }) => (isAdmitted ? [] : [id]));
  const isChangedSince = step.kind === 'SCAN' && (state.lastRevision ?? 0n) > step.revision;
  return {
    revision: packCursor(cursorAfter(step, page, hasMoreRows)),
    full: step.kind === 'SCAN' && step.isFull,
    hasMore: hasMoreRows || isChangedSince,
    upserts,
    removals,
    isPending: state.isPending,
  };
}

/** After the last page the whole revision is complete, because no further change can get it. */
function cursorAfter(step: ReadStep, page: readonly ListRow[], hasMoreRows: boolean): ListCursor {
  const last = page.at(-1);
  const isScan = step.kind === 'SCAN';
  const before = isScan ? step.revision : step.after.revision;
  return {
    revision: isScan ? before : (last?.revision ?? before),
    bucket: hasMoreRows ? (last?.bucket ?? LAST_BUCKET) : LAST_BUCKET,
    isScan: isScan || (!last && step.after.isScan),
  };
}

function listedUser(row: ListRow, plan: ListedPlan | undefined): ListedUser[] {
  if (!plan) return [];
  const { nodeIds, speedLimit, deviceLimit } = plan;
  return [{ subscriptionId: row.id, credential: row.credential, nodeIds, speedLimit, deviceLimit }];
}

/**
 * Reads the rows of a page in order: `size + 1` if there are more, plus all with the same key as
 * the last. Each plan is read along an index and the plans are merged, so the cost depends on the
 * page and not on the list.
 */
async function readRows(
  db: Services['db'],
  { state, step, size }: { state: ServerListState; step: ReadStep; size: number },
): Promise<ListRow[]> {
  const plans = state.plans.filter((plan) => step.kind === 'SCAN' || hasChanged(plan, step.after));
  if (plans.length === 0) return [];
  const order = Prisma.raw(step.kind === 'SCAN' ? 'bucket' : 'revision, bucket');
  // In each part as well: otherwise PostgreSQL may sort all remaining users of a plan for a page.
  const first = Prisma.sql`ORDER BY ${order} FETCH FIRST (${size + 1}::int) ROWS WITH TIES`;
  const parts = plans.map(
    ({ id }) =>
      Prisma.sql`(${step.kind === 'SCAN' ? scanOf(id, step) : changesOf(id, step, state)} ${first})`,
  );
  // Users are looked up: for a join PostgreSQL would read all of them.
  return db.$queryRaw<ListRow[]>`
    SELECT s.id, s.plan_id AS "planId", s.credential, s.revision, s.bucket,
      s.is_usable AND (SELECT enabled AND deleted_at IS NULL FROM users WHERE id = s.user_id) AS "isAdmitted"
    FROM (SELECT * FROM (${Prisma.join(parts, ' UNION ALL ')}) AS part ${first}) s
    ORDER BY ${order}`;
}

/** Changes at the cursor's own revision count: it may point into the middle of one. */
const hasChanged = ({ lastRevision }: ListedPlan, { revision }: ListCursor) =>
  lastRevision !== null && lastRevision >= revision;

const COLUMNS = Prisma.sql`SELECT id, plan_id, user_id, credential, revision, tessera_bucket(id) AS bucket,
  status = 'ACTIVE' AND (expires_at IS NULL OR expires_at > tessera_now()) AS is_usable FROM user_subscriptions`;

/** Uses user_subscriptions_listed_idx, which needs the status as a literal. */
function scanOf(planId: string, { revision, bucket }: Extract<SyncStep, { kind: 'SCAN' }>): Prisma.Sql {
  return Prisma.sql`${COLUMNS} WHERE plan_id = ${planId}::uuid AND status = 'ACTIVE'
    AND tessera_bucket(id) > ${bucket}::int AND revision <= ${revision}::bigint`;
}

/** Uses user_subscriptions_changed_idx. */
function changesOf(
  planId: string,
  { after }: Extract<SyncStep, { kind: 'CHANGES' }>,
  { horizon }: ServerListState,
): Prisma.Sql {
  return Prisma.sql`${COLUMNS} WHERE plan_id = ${planId}::uuid
    AND (revision, tessera_bucket(id)) > (${after.revision}::bigint, ${after.bucket}::int) AND revision < ${horizon}::bigint`;
}
