/** The crash points of redeeming; before some of them something else has to fail. */
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

/** The crash points of activating. */
export const ACTIVATING: readonly string[] = [
  'activateOrders.afterLocks',
  'activateOrders.beforeCommit',
  'activateOrders.afterCommit',
  'announceOrders.beforeCache',
  'announceOrders.beforePublish',
];
