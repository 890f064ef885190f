import type { Config } from './config.ts';
import type { Caller } from './modules/auth/caller.ts';
import { createOperationBudget, type OperationBudget } from './modules/auth/operation-budget.ts';
import { createSessionWatch, type SessionWatch } from './modules/auth/watch-session.ts';
import { createPresence, type Presence } from './modules/device/presence.ts';
import { createOrderBatchers, type OrderBatchers } from './modules/order/create-batchers.ts';
import { watchedOrders } from './modules/order/watch-order.ts';
import { watchedUsers } from './modules/user/watch-viewer.ts';
import type { RequestScope } from './platform/request-scope.ts';
import type { Services } from './platform/services.ts';
import type { WatchKind } from './platform/watch-kind.ts';

/** What a process has once, and all of its requests share. */
export interface Shared extends OrderBatchers {
  watchedOrders: WatchKind;
  watchedUsers: WatchKind;
  sessionWatch: SessionWatch;
  presence: Presence;
  operationBudget: OperationBudget;
  redemptionLock: boolean;
}

/** What a resolver gets: the services, and who is asking. */
export interface Context extends Services, Shared {
  caller: Caller;
  request: RequestScope;
}

type ProcessSettings = Pick<Config, 'BATCH_SIZE' | 'REDEMPTION_LOCK'> & Partial<Pick<Config, 'RATE_LIMITS'>>;

/** Made once for a process. */
export function createShared(
  services: Services,
  { BATCH_SIZE, REDEMPTION_LOCK, RATE_LIMITS = true }: ProcessSettings,
): Shared {
  return {
    ...createOrderBatchers(services, { maxSize: BATCH_SIZE }),
    watchedOrders: watchedOrders(services),
    watchedUsers: watchedUsers(services),
    sessionWatch: createSessionWatch(services),
    presence: createPresence(services),
    operationBudget: createOperationBudget(services, { enabled: RATE_LIMITS }),
    redemptionLock: REDEMPTION_LOCK,
  };
}
