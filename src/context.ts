import type { Config } from './config.ts';
import { createPresence, type Presence } from './modules/identity/presence/presence.ts';
import { createSessionWatch } from './modules/identity/session/watch-session.ts';
import type { Caller } from './modules/kernel/caller.ts';
import { watchedUsers } from './modules/lifecycle/account/watch-viewer.ts';
import { createOperationBudget, type OperationBudget } from './modules/lifecycle/login/operation-budget.ts';
import { type AgentPresence, createAgentPresence } from './modules/network/agent/agent-presence.ts';
import { createUserLists, type UserLists } from './modules/network/agent/user-lists.ts';
import { createServerStates, type ServerStates } from './modules/network/server/read-server-states.ts';
import { createStatistics, type Statistics } from './modules/operations/statistics/read-statistics.ts';
import { watchedStatistics } from './modules/operations/statistics/watch-statistics.ts';
import { createOrderCoalescers, type OrderCoalescers } from './modules/redemption/accept/order-coalescers.ts';
import { type BatchReads, createBatchReads } from './modules/redemption/batch/batch-reads.ts';
import { watchedBatches } from './modules/redemption/batch/watch-batch.ts';
import { createPropagations, type Propagations } from './modules/redemption/order/propagation.ts';
import { watchedOrders } from './modules/redemption/order/watch-order.ts';
import type { RequestScope } from './platform/request-scope.ts';
import type { Services } from './platform/services.ts';
import type { EndWatch } from './platform/watch/end-watch.ts';
import type { WatchKind } from './platform/watch/watch-kind.ts';

/** State that all requests of a process share. */
export interface Shared extends OrderCoalescers, UserLists, BatchReads {
  watchedOrders: WatchKind;
  watchedUsers: WatchKind;
  watchedBatches: WatchKind;
  watchedStatistics: WatchKind;
  /** Reads the current statistics. Concurrent calls share one read. */
  statistics: () => Promise<Statistics>;
  sessionWatch: EndWatch;
  presence: Presence;
  agentPresence: AgentPresence;
  serverStates: ServerStates;
  propagations: Propagations;
  operationBudget: OperationBudget;
  redemptionLock: boolean;
}

/** The context of resolvers: the services, shared state, and the caller. */
export interface Context extends Services, Shared {
  caller: Caller;
  request: RequestScope;
}

type ProcessSettings = Pick<Config, 'BATCH_SIZE' | 'REDEMPTION_LOCK'> & Partial<Pick<Config, 'RATE_LIMITS'>>;

/** Call once per process. */
export function createShared(
  services: Services,
  { BATCH_SIZE, REDEMPTION_LOCK, RATE_LIMITS = true }: ProcessSettings,
): Shared {
  return {
    ...createOrderCoalescers(services, { maxSize: BATCH_SIZE }),
    ...createUserLists(services),
    ...createBatchReads(services),
    watchedOrders: watchedOrders(services),
    watchedUsers: watchedUsers(services),
    watchedBatches: watchedBatches(services),
    watchedStatistics: watchedStatistics(services),
    statistics: createStatistics(services),
    sessionWatch: createSessionWatch(services),
    presence: createPresence(services),
    agentPresence: createAgentPresence(services),
    serverStates: createServerStates(services),
    propagations: createPropagations(services),
    operationBudget: createOperationBudget(services, { enabled: RATE_LIMITS }),
    redemptionLock: REDEMPTION_LOCK,
  };
}
