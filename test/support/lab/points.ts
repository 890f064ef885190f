/** Crash points of redeeming. Some are reached only if the point in `before` has thrown. */
export const REDEEMING: readonly [point: string, before?: string][] = [
  ['acceptOrders.beforeCommit'],
  ['acceptOrders.afterCommit'],
  ['dispatchOrders.beforeCache'],
  ['dispatchOrders.beforeEnqueue'],
  ['dispatchOrders.afterEnqueue'],
  ['dispatchOrders.beforeCleanUp', 'dispatchOrders.beforeEnqueue'],
  ['closeOrders.beforeCommit', 'dispatchOrders.beforeEnqueue'],
  ['announceOrders.beforePublish', 'dispatchOrders.beforeEnqueue'],
];

/** Crash points of activating. */
export const ACTIVATING: readonly string[] = [
  'activateOrders.afterLocks',
  'activateOrders.beforeCommit',
  'activateOrders.afterCommit',
  'announceOrders.beforeCache',
  'announceOrders.beforePublish',
];
