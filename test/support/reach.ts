/** Types reachable by anonymous callers and users; all others are hidden from them. */
export const REACHED_BY_USERS: readonly string[] = [
  'Ad',
  'AuthPayload',
  'Device',
  'DeviceChallenge',
  'DeviceDay',
  'DeviceStatistics',
  'GlobalConfig',
  'Hysteria2Config',
  'LinkCode',
  'Order',
  'PageInfo',
  'PendingBinding',
  'Plan',
  'Propagation',
  'Redemption',
  'RedemptionPreview',
  'Session',
  'ShadowsocksConfig',
  'SubscriptionMove',
  'SubscriptionNode',
  'TrojanConfig',
  'User',
  'UserSubscription',
  'VlessConfig',
  'VmessConfig',
];

/** Types reachable by agents. */
export const REACHED_BY_AGENTS: readonly string[] = [
  'ServerConfig',
  'ServerUser',
  'ServerUserDelta',
  'TrafficReceipt',
  'TrafficRefusal',
];

/** Admin-only fields of types that users can reach, with a query that both may run. */
export const READ_BY_ADMINS: Record<string, string> = {
  'Order.propagation': 'order(id: $id) { value: propagation { servers } }',
};
