import { setTimeout as sleep } from 'node:timers/promises';
import { Prisma } from '../../../generated/prisma/client.ts';
import type { Coalescer } from '../../../platform/concurrency/coalescer.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import {
  LAST_BUCKET,
  type ListPosition,
  type ListStep,
  nextStep,
  packPosition,
  pageLength,
} from './sync-step.ts';
import type { ListedPlan, ServerListState } from './read-list-states.ts';

/** Somebody whom a server lets in. */
export interface ListedUser {
  subscriptionId: string;
  credential: string;
  nodeIds: string[];
  /** Mbit/s; null is unlimited. */
  speedLimit: number | null;
  /** How many devices at once; null is unlimited. */
  deviceLimit: number | null;
}

/** What an agent has to change in its list, and where it stands afterwards. */
export interface UserDelta {
  revision: bigint;
  /** Whether it takes the place of everything that the agent has. */
  full: boolean;
  hasMore: boolean;
  upserts: ListedUser[];
  removals: string[];
  /** Whether something is about to follow that cannot be told yet. */
  isPending: boolean;
}

/** The states of lists, those that are asked for at once in one query. */
export type ListStates = Coalescer<string, ServerListState | null>;

/** How long the first part of a list may be held up by transactions that have not ended. */
const LONGEST_WAIT_MS = 2_000;

/**
 * The next part of a server's list of users.
 *
 * No change is skipped, although transactions commit in another order than they begin in: only what is below the
 * oldest transaction still running is told. The two queries need no common snapshot: the second asks for nothing
 * beyond the horizon of the first, and what has moved on since then comes again later.
 *
 * @param since the `revision` that the agent was given last; null for the whole list
 * @param sizeFor most entries, by the plans that are listed; more only when they stand at one place of the list
 * @throws PlatformError UNAUTHENTICATED when the server is gone; SERVICE_UNAVAILABLE when other transactions hold the
 *   beginning of the list up for two seconds
 */
export async function readServerUsers(
  services: Pick<Services, 'db'> & { listStates: ListStates },
  {
    serverId,
    since,
    sizeFor,
  }: { serverId: string; since: bigint | null; sizeFor: (plans: readonly ListedPlan[]) => number },
): Promise<UserDelta> {
  for (let waited = 0, pause = 2; ; waited += pause, pause = Math.min(pause * 2, 100)) {
    const state = await services.listStates.add(serverId);
    if (!state) throw new PlatformError('UNAUTHENTICATED');
    const step = nextStep(since, state);
    if (step.kind === 'NOTHING') return { ...nothing, revision: since ?? 0n, isPending: state.isPending };
    if (step.kind !== 'WAIT') return readPage(services, { state, step, size: sizeFor(state.plans) });
    if (waited >= LONGEST_WAIT_MS) throw new PlatformError('SERVICE_UNAVAILABLE');
    await sleep(pause);
  }
}

const nothing = { full: false, hasMore: false, upserts: [], removals: [] };

type ReadingStep = Extract<ListStep, { kind: 'WALK' | 'CHANGES' }>;

interface ListRow extends Omit<ListPosition, 'isWalk'> {
  id: string;
  planId: string;
  credential: string;
  isLive: boolean;
}

async function readPage(
  { db }: Pick<Services, 'db'>,
  { state, step, size }: { state: ServerListState; step: ReadingStep; size: number },
): Promise<UserDelta> {
  const rows = await readRows(db, { state, step, size });
  const places = rows.map((row) => (step.kind === 'WALK' ? row.bucket : `${row.revision}:${row.bucket}`));
  const page = rows.slice(0, pageLength(places, size));
  const hasMoreRows = page.length < rows.length;
  const plans = new Map(state.plans.map((plan) => [plan.id, plan]));
  const upserts = page.flatMap((row) => (row.isLive ? listedUser(row, plans.get(row.planId)) : []));
  // Whoever walks through the list has been told of nobody who is not in it.
  const removals = step.kind === 'WALK' ? [] : page.flatMap(({ id, isLive }) => (isLive ? [] : [id]));
  const isChangedSince = step.kind === 'WALK' && (state.lastRevision ?? 0n) > step.revision;
  return {
    revision: packPosition(positionAfter(step, page, hasMoreRows)),
    full: step.kind === 'WALK' && step.isFull,
    hasMore: hasMoreRows || isChangedSince,
    upserts,
    removals,
    isPending: state.isPending,
  };
}

/** After the last row: behind everything of its revision, as no more can come of that. */
function positionAfter(step: ReadingStep, page: readonly ListRow[], hasMoreRows: boolean): ListPosition {
  const last = page.at(-1);
  const isWalk = step.kind === 'WALK';
  const before = isWalk ? step.revision : step.after.revision;
  return {
    revision: isWalk ? before : (last?.revision ?? before),
    bucket: hasMoreRows ? (last?.bucket ?? LAST_BUCKET) : LAST_BUCKET,
    isWalk: isWalk || (!last && step.after.isWalk),
  };
}

function listedUser(row: ListRow, plan: ListedPlan | undefined): ListedUser[] {
  if (!plan) return [];
  const { nodeIds, speedLimit, deviceLimit } = plan;
  return [{ subscriptionId: row.id, credential: row.credential, nodeIds, speedLimit, deviceLimit }];
}

/**
 * The rows of a page, in order, one more than fits where there are more, and whatever stands at its place. Each plan
 * is read along an index of its own and the plans are merged, so a page costs what it holds.
 */
async function readRows(
  db: Services['db'],
  { state, step, size }: { state: ServerListState; step: ReadingStep; size: number },
): Promise<ListRow[]> {
  const plans = state.plans.filter((plan) => step.kind === 'WALK' || hasChanged(plan, step.after));
  if (plans.length === 0) return [];
  const parts = plans.map(({ id }) =>
    step.kind === 'WALK' ? listedOf(id, step) : changedOf(id, step, state),
  );
  const order = Prisma.raw(step.kind === 'WALK' ? 'bucket' : 'revision, bucket');
  return db.$queryRaw<ListRow[]>`
    SELECT s.id, s.plan_id AS "planId", s.credential, s.revision, s.bucket,
      s.is_open AND u.enabled AND u.deleted_at IS NULL AS "isLive"
    FROM (${Prisma.join(parts, ' UNION ALL ')} ORDER BY ${order} FETCH FIRST (${size + 1}::int) ROWS WITH TIES) s
    JOIN users u ON u.id = s.user_id
    ORDER BY ${order}`;
}

const hasChanged = ({ lastRevision }: ListedPlan, { revision }: ListPosition) =>
  lastRevision !== null && lastRevision >= revision;

const COLUMNS = Prisma.sql`SELECT id, plan_id, user_id, credential, revision, tessera_bucket(id) AS bucket,
  status = 'ACTIVE' AND (expires_at IS NULL OR expires_at > tessera_now()) AS is_open FROM user_subscriptions`;

/** Along user_subscriptions_listed_idx. */
function listedOf(planId: string, { revision, bucket }: Extract<ListStep, { kind: 'WALK' }>): Prisma.Sql {
  return Prisma.sql`(${COLUMNS} WHERE plan_id = ${planId}::uuid AND status = 'ACTIVE'
    AND tessera_bucket(id) > ${bucket}::int AND revision <= ${revision}::bigint)`;
}

/** Along user_subscriptions_changed_idx. */
function changedOf(
  planId: string,
  { after }: Extract<ListStep, { kind: 'CHANGES' }>,
  { horizon }: ServerListState,
): Prisma.Sql {
  return Prisma.sql`(${COLUMNS} WHERE plan_id = ${planId}::uuid
    AND (revision, tessera_bucket(id)) > (${after.revision}::bigint, ${after.bucket}::int) AND revision < ${horizon}::bigint)`;
}
