import type { Device, User } from '../../../generated/prisma/client.ts';
import { createCoalescer } from '../../../platform/concurrency/coalescer.ts';
import { isOutage, type Transaction } from '../../../platform/database/database.ts';
import { byId } from '../../../platform/database/read-coalescer.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Page, PageArguments } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';
import { readDevicePages } from '../../identity/device/read-device-pages.ts';
import { cacheNodeLists } from '../../network/node-list/node-list-cache.ts';
import { NodeListMemory } from '../../network/node-list/node-list-memory.ts';
import { type NodeList, readNodeLists } from '../../network/node-list/read-node-lists.ts';
import { type CredentialedNode, hasNodes, nodesOf } from '../../network/node-list/subscription-nodes.ts';
import type { SubscriptionWithPlan } from '../../subscription/subscription-columns.ts';
import {
  readUsersWithSubscriptions,
  type UsersWithSubscriptions,
  type UserWithSubscriptions,
} from './read-users-with-subscriptions.ts';
import { USER_COLUMNS } from './user-columns.ts';

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

/** An account with at least its selected parts, read from one database snapshot. */
export interface AccountSnapshot extends User {
  subscriptions?: (SubscriptionWithPlan & { nodes?: CredentialedNode[] })[];
  /** By `pageKey`. Pages with invalid arguments are absent; their resolver reports the error. */
  devicePages?: ReadonlyMap<string, Page<Device>>;
}

/** Key of a page of devices; null and absent arguments give the same key. */
export const pageKey = ({ first, after, last, before }: PageArguments): string =>
  JSON.stringify([first ?? null, after ?? null, last ?? null, before ?? null]);

type AccountServices = Pick<Services, 'db' | 'cache' | 'secrets' | 'log'>;

interface AccountRequest {
  userId: string;
  selection: AccountSelection;
}

export interface AccountReads {
  /**
   * Reads an account, its subscriptions with their nodes, and its devices from one snapshot.
   * Concurrent reads of any accounts share one REPEATABLE READ transaction with at most three
   * statements, regardless of the number of accounts and subscriptions.
   *
   * @returns null when the account does not exist
   */
  readAccount: (request: AccountRequest) => Promise<AccountSnapshot | null>;
}

/** Accounts in one transaction. Bounds its duration, and so how long the next group waits. */
const MAX_GROUP = 100;

/** Call once per process: only reads through the same instance share a transaction. */
export function createAccountReads(services: AccountServices): AccountReads {
  const memory = new NodeListMemory();
  const reads = createCoalescer({
    run: async (requests: AccountRequest[]) => {
      const accounts = await readAccounts(services, memory, requests);
      return requests.map(({ userId }) => ({ status: 'fulfilled', value: accounts.get(userId) ?? null }));
    },
    maxSize: MAX_GROUP,
    maxWaiting: Number.POSITIVE_INFINITY,
    overloaded: () => new PlatformError('SERVICE_UNAVAILABLE'),
    failTogether: isOutage,
  });
  return { readAccount: (request) => reads.add(request) };
}

async function readAccounts(
  services: AccountServices,
  memory: NodeListMemory,
  requests: readonly AccountRequest[],
): Promise<Map<string, AccountSnapshot>> {
  const wanted = combine(requests);
  if (!wanted.subscriptions && wanted.devices.length === 0) {
    return byId(
      await services.db.$queryRaw<User[]>`
        SELECT ${USER_COLUMNS} FROM users u WHERE u.id = ANY(${wanted.userIds}::uuid[])`,
    );
  }
  const { accounts, read } = await services.db.$transaction(
    (tx) => readSnapshot(tx, services, { wanted, memory }),
    { isolationLevel: 'RepeatableRead' },
  );
  // After the commit, so that the transaction never waits for Redis.
  memory.add(read);
  await cacheNodeLists(services, read);
  return accounts;
}

/** The parts that the requests of a group select together. */
interface Wanted extends Pick<AccountSelection, 'subscriptions' | 'nodes' | 'deviceCount'> {
  userIds: string[];
  devices: { userId: string; page: PageArguments }[];
}

function combine(requests: readonly AccountRequest[]): Wanted {
  const some = (part: 'subscriptions' | 'nodes' | 'deviceCount') =>
    requests.some(({ selection }) => selection[part]);
  const pages = new Map(
    requests.flatMap(({ userId, selection }) =>
      selection.devices.map((page) => [`${userId} ${pageKey(page)}`, { userId, page }] as const),
    ),
  );
  return {
    ...{ subscriptions: some('subscriptions'), nodes: some('nodes'), deviceCount: some('deviceCount') },
    userIds: [...new Set(requests.map(({ userId }) => userId))],
    devices: [...pages.values()],
  };
}

interface Snapshot {
  accounts: Map<string, AccountSnapshot>;
  /** Node lists that were not in memory. */
  read: NodeList[];
}

async function readSnapshot(
  tx: Transaction,
  services: AccountServices,
  { wanted, memory }: { wanted: Wanted; memory: NodeListMemory },
): Promise<Snapshot> {
  const found = await readUsersWithSubscriptions(tx, wanted);
  const active = wanted.nodes
    ? [...found.users.values()].flatMap(({ subscriptions }) => subscriptions.filter(hasNodes))
    : [];
  const { lists, missing } = memory.find(active.map(({ plan }) => plan));
  const read = await readNodeLists(tx, missing, services);
  for (const list of read) lists.set(list.planId, list);
  const devicePages = await readPages(tx, services, { wanted, found });
  const accounts = new Map(
    [...found.users].map(([id, user]) => [
      id,
      { ...user.user, ...partsOf(user, { wanted, found, lists }), devicePages: devicePages.get(id) ?? NONE },
    ]),
  );
  return { accounts, read };
}

const NONE: ReadonlyMap<string, Page<Device>> = new Map();

function partsOf(
  { subscriptions }: UserWithSubscriptions,
  { wanted, found, lists }: { wanted: Wanted; found: UsersWithSubscriptions; lists: Map<string, NodeList> },
): Pick<AccountSnapshot, 'subscriptions'> {
  if (!wanted.subscriptions) return {};
  if (!wanted.nodes) return { subscriptions };
  const { onlineServerIds } = found;
  return {
    subscriptions: subscriptions.map((subscription) => {
      const nodes = lists.get(subscription.plan.id)?.nodes ?? [];
      return { ...subscription, nodes: nodesOf(subscription, { nodes, onlineServerIds }) };
    }),
  };
}

/** @returns the pages by user and `pageKey` */
async function readPages(
  tx: Transaction,
  { secrets }: AccountServices,
  { wanted, found }: { wanted: Wanted; found: UsersWithSubscriptions },
): Promise<Map<string, Map<string, Page<Device>>>> {
  const requests = wanted.devices.filter(({ userId }) => found.users.has(userId));
  const pages = await readDevicePages({ db: tx, secrets }, requests);
  const byUser = new Map<string, Map<string, Page<Device>>>();
  for (const [place, { userId, page }] of requests.entries()) {
    const read = pages[place];
    if (!read) continue;
    const totalCount = Promise.resolve(found.users.get(userId)?.deviceCount ?? 0);
    const ofUser = byUser.get(userId) ?? new Map<string, Page<Device>>();
    // Not spread, which would call the getter that counts.
    const { nodes, edges, pageInfo } = read;
    byUser.set(userId, ofUser.set(pageKey(page), { nodes, edges, pageInfo, totalCount }));
  }
  return byUser;
}
