import type { Config } from './config.ts';
import { type AdReads, createAdReads } from './modules/catalog/ad/list-ads.ts';
import { createPlanReads, type PlanReads } from './modules/catalog/plan/list-plans.ts';
import { createSiteReads, type SiteReads } from './modules/catalog/site/site-reads.ts';
import { createPresence, type Presence } from './modules/identity/presence/presence.ts';
import {
  type AccessTokenVerifier,
  createAccessTokenVerifier,
} from './modules/identity/session/access-token.ts';
import { createSessionReads, type SessionReads } from './modules/identity/session/find-session.ts';
import { createSessionWatch } from './modules/identity/session/watch-session.ts';
import type { Caller } from './modules/kernel/caller.ts';
import { createUserReads, type UserReads } from './modules/lifecycle/account/get-user.ts';
import { type AccountReads, createAccountReads } from './modules/lifecycle/account/read-account.ts';
import { watchedUsers } from './modules/lifecycle/account/watch-viewer.ts';
import {
  createOperationRateLimiter,
  type OperationRateLimiter,
} from './modules/lifecycle/login/operation-rate-limiter.ts';
import { type AgentPresence, createAgentPresence } from './modules/network/agent/agent-presence.ts';
import { createUserLists, type UserLists } from './modules/network/agent/user-lists.ts';
import { createNodeListings, type NodeListings } from './modules/network/node-list/subscription-nodes.ts';
import { watchedExcess } from './modules/network/online/excess-devices.ts';
import { createOwnAddresses, type OwnAddresses } from './modules/network/server/own-addresses.ts';
import { createServerStates, type ServerStates } from './modules/network/server/read-server-states.ts';
import { createNodeNumbers, type NodeNumbers } from './modules/network/uniproxy/numbers.ts';
import {
  createStatistics,
  type StatisticsSnapshot,
} from './modules/operations/statistics/read-statistics.ts';
import { watchedStatistics } from './modules/operations/statistics/watch-statistics.ts';
import { createOrderCoalescers, type OrderCoalescers } from './modules/redemption/accept/order-coalescers.ts';
import { type BatchReads, createBatchReads } from './modules/redemption/batch/batch-reads.ts';
import { watchedBatches } from './modules/redemption/batch/watch-batch.ts';
import { createOrderReads, type OrderReads } from './modules/redemption/order/get-order.ts';
import { createUserOrderReads, type UserOrderReads } from './modules/redemption/order/list-user-orders.ts';
import { createPropagationReader, type PropagationReader } from './modules/redemption/order/propagation.ts';
import { watchedOrders } from './modules/redemption/order/watch-order.ts';
import { createSubscriptionReads, type SubscriptionReads } from './modules/subscription/get-subscription.ts';
import { type Admission, createAdmission } from './platform/concurrency/admission.ts';
import type { RequestScope } from './platform/request-scope.ts';
import type { Services } from './platform/services.ts';
import type { EndWatch } from './platform/watch/end-watch.ts';
import type { WatchKind } from './platform/watch/watch-kind.ts';

/** State that all requests of a process share. */
export interface Shared
  extends OrderCoalescers,
    UserLists,
    BatchReads,
    AccessTokenVerifier,
    AccountReads,
    OrderReads,
    AdReads,
    PlanReads,
    SessionReads,
    SiteReads,
    SubscriptionReads,
    UserOrderReads,
    UserReads {
  watchedOrders: WatchKind;
  watchedUsers: WatchKind;
  watchedBatches: WatchKind;
  watchedStatistics: WatchKind;
  /** Addresses that servers have to disconnect. */
  watchedExcess: WatchKind;
  /** Reads the current statistics. Concurrent calls share one read. */
  statistics: () => Promise<StatisticsSnapshot>;
  sessionWatch: EndWatch;
  presence: Presence;
  agentPresence: AgentPresence;
  nodeListings: NodeListings;
  ownAddresses: OwnAddresses;
  readNodeNumber: NodeNumbers;
  serverStates: ServerStates;
  readPropagation: PropagationReader;
  /** Admits concurrent guesses at codes, by user and by address. */
  guessAdmission: Admission;
  operationRateLimiter: OperationRateLimiter;
  redemptionLock: boolean;
}

/** The context of resolvers: the services, shared state, and the caller. */
export interface Context extends Services, Shared {
  caller: Caller;
  request: RequestScope;
}

type ProcessSettings = Pick<Config, 'BATCH_SIZE' | 'REDEMPTION_LOCK'> &
  Partial<Pick<Config, 'LANES' | 'RATE_LIMITS'>>;

/** Call once per process. */
export function createShared(
  services: Services,
  { BATCH_SIZE, LANES = 1, REDEMPTION_LOCK, RATE_LIMITS = true }: ProcessSettings,
): Shared {
  const ownAddresses = createOwnAddresses(services);
  return {
    ...createOrderCoalescers(services, { maxSize: BATCH_SIZE, lanes: LANES }),
    ...createUserLists(services),
    ...createBatchReads(services),
    ...createAccessTokenVerifier(services),
    ...createAccountReads(services),
    ...createOrderReads(services),
    ...createAdReads(services),
    ...createPlanReads(services),
    ...createSessionReads(services),
    ...createSiteReads(services),
    ...createSubscriptionReads(services),
    ...createUserOrderReads(services),
    ...createUserReads(services),
    watchedOrders: watchedOrders(services),
    watchedUsers: watchedUsers(services),
    watchedBatches: watchedBatches(services),
    watchedStatistics: watchedStatistics(services),
    watchedExcess: watchedExcess(services),
    statistics: createStatistics(services),
    sessionWatch: createSessionWatch(services),
    presence: createPresence(services),
    agentPresence: createAgentPresence(services),
    nodeListings: createNodeListings(services),
    ownAddresses,
    readNodeNumber: createNodeNumbers(services),
    serverStates: createServerStates(services),
    readPropagation: createPropagationReader(services),
    guessAdmission: createAdmission(),
    operationRateLimiter: createOperationRateLimiter({ ownAddresses }, { enabled: RATE_LIMITS }),
    redemptionLock: REDEMPTION_LOCK,
  };
}
