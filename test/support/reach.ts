/**
 * The types that anonymous callers and users can reach. All others must be unreachable for them.
 */
export const REACHED_BY_USERS: readonly string[] = [
  'Ad',
  'AnytlsConfig',
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
  'TuicConfig',
  'User',
  'UserSubscription',
  'VlessConfig',
  'VmessConfig',
];

/** The types that agents can reach. */
export const REACHED_BY_AGENTS: readonly string[] = [
  'ExceededDevices',
  'OnlineNotice',
  'OnlineReceipt',
  'ServerConfig',
  'ServerUser',
  'ServerUserDelta',
  'TrafficReceipt',
  'TrafficRefusal',
];

/**
 * Admin-only fields of types that users can reach, each with an operation that selects the field.
 */
export const READ_BY_ADMINS: Record<string, string> = {
  'Order.propagation': 'order(id: $id) { value: propagation { servers } }',
};
