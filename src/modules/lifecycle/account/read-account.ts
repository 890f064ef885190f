import type { Device, User } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { DomainError } from '../../../platform/errors.ts';
import type { Page, PageArguments } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';
import { listDevices } from '../../identity/device/list-devices.ts';
import {
  cacheNodeLists,
  presentLists,
  readCachedNodeLists,
} from '../../network/node-list/node-list-cache.ts';
import type { NodeList } from '../../network/node-list/read-node-lists.ts';
import {
  type CredentialedNode,
  completeLists,
  hasNodes,
  nodesOf,
} from '../../network/node-list/subscription-nodes.ts';
import type { SubscriptionWithPlan } from '../../subscription/subscription-columns.ts';
import { readUserWithSubscriptions, type UserWithSubscriptions } from './read-user-with-subscriptions.ts';

/** Parts of an account to read in addition to its own fields. */
export interface AccountSelection {
  subscriptions: boolean;
  /** The nodes of its subscriptions. */
  nodes: boolean;
  /** One entry for each page of devices that the client requested. */
  devices: readonly PageArguments[];
  /** Whether to count the devices on all pages. */
  deviceCount: boolean;
}

/** An account with its selected parts, read from one database snapshot. */
export interface AccountSnapshot extends User {
  subscriptions?: (SubscriptionWithPlan & { nodes?: CredentialedNode[] })[];
  /** By `pageKey`. Pages with invalid arguments are absent; their resolver reports the error. */
  devicePages?: ReadonlyMap<string, Page<Device>>;
}

/** Key of a page of devices; null and absent arguments give the same key. */
export const pageKey = ({ first, after, last, before }: PageArguments): string =>
  JSON.stringify([first ?? null, after ?? null, last ?? null, before ?? null]);

type AccountServices = Pick<Services, 'db' | 'cache' | 'secrets' | 'log'>;

/**
 * Reads an account, its subscriptions with their nodes, and its devices from one snapshot: one
 * REPEATABLE READ transaction with at most two statements plus one per page of devices, regardless
 * of the number of subscriptions. Cached node lists are used if PostgreSQL confirms their version.
 *
 * @returns null when the account does not exist
 */
export async function readAccount(
  services: AccountServices,
  { userId, selection }: { userId: string; selection: AccountSelection },
): Promise<AccountSnapshot | null> {
  const { db } = services;
  if (!selection.subscriptions && selection.devices.length === 0)
    return db.user.findUnique({ where: { id: userId } });
  const cached = selection.nodes ? await readListsFromCache(services, userId) : [];
  const snapshot = await db.$transaction((tx) => readSnapshot(tx, services, { userId, selection, cached }), {
    isolationLevel: 'RepeatableRead',
  });
  if (!snapshot) return null;
  if (selection.nodes) await cacheLists(services, userId, snapshot);
  return snapshot.account;
}

interface Snapshot {
  account: AccountSnapshot;
  planIds: string[];
  /** Node lists that were not cached. */
  read: NodeList[];
}

async function readSnapshot(
  tx: Transaction,
  services: AccountServices,
  { userId, selection, cached }: { userId: string; selection: AccountSelection; cached: readonly NodeList[] },
): Promise<Snapshot | null> {
  const row = await readUserWithSubscriptions(tx, { userId, ...selection });
  if (!row) return null;
  const plans = row.subscriptions.filter(hasNodes).map(({ plan }) => plan);
  const planIds = selection.nodes ? [...new Set(plans.map(({ id }) => id))] : [];
  const present = { planIds, cached: presentLists(cached, plans) };
  const { lists, read } = await completeLists(tx, present, services);
  const { onlineServerIds } = row;
  const subscriptions = row.subscriptions.map((subscription) => {
    const nodes = lists.get(subscription.plan.id) ?? [];
    return {
      ...subscription,
      ...(selection.nodes && { nodes: nodesOf(subscription, { nodes, onlineServerIds }) }),
    };
  });
  const devicePages = await readPages(tx, services, { row, pages: selection.devices });
  const account = { ...row.user, ...(selection.subscriptions && { subscriptions }), devicePages };
  return { account, planIds, read };
}

async function readPages(
  tx: Transaction,
  { secrets }: AccountServices,
  { row, pages }: { row: UserWithSubscriptions; pages: readonly PageArguments[] },
): Promise<Map<string, Page<Device>>> {
  const read = new Map<string, Page<Device>>();
  for (const page of pages) {
    try {
      const found = await listDevices({ db: tx, secrets }, { filter: { userId: row.user.id }, page });
      read.set(pageKey(page), { ...found, totalCount: Promise.resolve(row.deviceCount) });
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
    }
  }
  return read;
}

/**
 * Caches which node lists the last read of an account needed, so the next one fetches them before
 * its transaction. A stale entry only costs one more statement.
 */
const planIdsKey = (userId: string) => `node_lists_of:${userId}`;
const PLAN_IDS_SECONDS = 600;

async function readListsFromCache(services: AccountServices, userId: string): Promise<NodeList[]> {
  const planIds = await services.cache.get(planIdsKey(userId));
  return Array.isArray(planIds) ? readCachedNodeLists(services, planIds.map(String)) : [];
}

/** Runs after the commit, so that the transaction never waits for Redis. */
async function cacheLists(
  services: AccountServices,
  userId: string,
  { planIds, read }: Snapshot,
): Promise<void> {
  if (read.length === 0) return;
  await cacheNodeLists(services, read);
  await services.cache.set(planIdsKey(userId), planIds, PLAN_IDS_SECONDS);
}
