/** The types that people without a login, and users, may come across; every other one is hidden from them. */
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

/** The types that agents may come across. */
export const REACHED_BY_AGENTS: readonly string[] = [
  'ServerConfig',
  'ServerUser',
  'ServerUserDelta',
  'TrafficReceipt',
  'TrafficRefusal',
];

/** Fields of types that users reach, which only admins may read: an order of the user asked for by both. */
export const READ_BY_ADMINS: Record<string, string> = {
  'Order.propagation': 'order(id: $id) { value: propagation { servers } }',
};
