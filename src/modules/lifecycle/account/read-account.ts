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
  completeLists,
  hasNodes,
  nodesOf,
  type SubscriptionNode,
} from '../../network/node-list/subscription-nodes.ts';
import type { SubscriptionOfPlan } from '../../subscription/subscription-rows.ts';
import { type AccountRow, readAccountRow } from './read-user-with-subscriptions.ts';

/** What is wanted of an account beside itself. */
export interface Wanted {
  subscriptions: boolean;
  /** Those of its subscriptions. */
  nodes: boolean;
  /** Each page of its devices that is asked for. */
  devices: readonly PageArguments[];
  /** How many there are on all pages. */
  deviceCount: boolean;
}

/** An account with what was wanted of it, all of one moment. */
export interface Account extends User {
  subscriptions?: (SubscriptionOfPlan & { nodes?: SubscriptionNode[] })[];
  /** By `pageKey`. A page that is refused is not among them: whoever asks for it is refused himself. */
  devicePages?: ReadonlyMap<string, Page<Device>>;
}

/** One name for one page, whether an argument is absent or null. */
export const pageKey = ({ first, after, last, before }: PageArguments): string =>
  JSON.stringify([first ?? null, after ?? null, last ?? null, before ?? null]);

type AccountServices = Pick<Services, 'db' | 'cache' | 'secrets' | 'log'>;

/**
 * Reads an account, its subscriptions with their nodes, and its devices, as they are at one and the same moment: in one
 * interactive transaction at REPEATABLE READ, of at most three statements, however many of them there are. What is in
 * the cache is taken from there when PostgreSQL says that it is the present version.
 *
 * @returns null when there is no such account
 */
export async function readAccount(
  services: AccountServices,
  { userId, wanted }: { userId: string; wanted: Wanted },
): Promise<Account | null> {
  const { db } = services;
  if (!wanted.subscriptions && wanted.devices.length === 0)
    return db.user.findUnique({ where: { id: userId } });
  const cached = wanted.nodes ? await recallLists(services, userId) : [];
  const snapshot = await db.$transaction((tx) => readSnapshot(tx, services, { userId, wanted, cached }), {
    isolationLevel: 'RepeatableRead',
  });
  if (!snapshot) return null;
  if (wanted.nodes) await keepLists(services, userId, snapshot);
  return snapshot.account;
}

interface Snapshot {
  account: Account;
  planIds: string[];
  /** Lists that were not in the cache. */
  read: NodeList[];
}

async function readSnapshot(
  tx: Transaction,
  services: AccountServices,
  { userId, wanted, cached }: { userId: string; wanted: Wanted; cached: readonly NodeList[] },
): Promise<Snapshot | null> {
  const row = await readAccountRow(tx, { userId, ...wanted });
  if (!row) return null;
  const plans = row.subscriptions.filter(hasNodes).map(({ plan }) => plan);
  const planIds = wanted.nodes ? [...new Set(plans.map(({ id }) => id))] : [];
  const present = { planIds, cached: presentLists(cached, plans) };
  const { lists, read } = await completeLists(tx, present, services);
  const { heardOf } = row;
  const subscriptions = row.subscriptions.map((subscription) => {
    const nodes = lists.get(subscription.plan.id) ?? [];
    return { ...subscription, ...(wanted.nodes && { nodes: nodesOf(subscription, { nodes, heardOf }) }) };
  });
  const devicePages = await readPages(tx, services, { row, pages: wanted.devices });
  const account = { ...row.user, ...(wanted.subscriptions && { subscriptions }), devicePages };
  return { account, planIds, read };
}

async function readPages(
  tx: Transaction,
  { secrets }: AccountServices,
  { row, pages }: { row: AccountRow; pages: readonly PageArguments[] },
): Promise<Map<string, Page<Device>>> {
  const read = new Map<string, Page<Device>>();
  for (const page of pages) {
    try {
      const found = await listDevices({ db: tx, secrets }, { filter: { userId: row.user.id }, page });
      read.set(pageKey(page), { ...found, totalCount: Promise.resolve(row.devices) });
    } catch (error) {
      if (!(error instanceof DomainError)) throw error;
    }
  }
  return read;
}

/** Which lists an account needed when it was last read. A hint: where it is wrong, PostgreSQL is asked for one more. */
const hintKey = (userId: string) => `node_lists_of:${userId}`;
const KEEP_HINT_SECONDS = 600;

async function recallLists(services: AccountServices, userId: string): Promise<NodeList[]> {
  const planIds = await services.cache.get(hintKey(userId));
  return Array.isArray(planIds) ? readCachedNodeLists(services, planIds.map(String)) : [];
}

/** After the transaction, in which there is nothing but the database. */
async function keepLists(
  services: AccountServices,
  userId: string,
  { planIds, read }: Snapshot,
): Promise<void> {
  if (read.length === 0) return;
  await cacheNodeLists(services, read);
  await services.cache.set(hintKey(userId), planIds, KEEP_HINT_SECONDS);
}
