/**
 * How many entries the cost estimate assumes for each list without pages. A contract test fails for
 * a list that is missing here.
 */
export const PLAIN_LISTS: Readonly<Record<string, number>> = {
  // The most that they can hold, which is enforced where they are written or read.
  'AnytlsConfig.alpn': 3,
  'DeviceStatistics.days': 7,
  'ExceededDevices.ips': 50,
  'GlobalConfig.keywords': 100,
  'Mutation.retryOrders': 100,
  'Node.tags': 100,
  'OnlineNotice.ips': 50,
  'OnlineUser.ips': 50,
  'PendingBinding.devices': 100,
  'Plan.nodeIds': 1_000,
  'Plan.nodeTags': 100,
  'Query.linkTemplates': 5,
  'QueueStatus.lastRuns': 50,
  'ServerConfig.nodes': 200,
  'ServerUserDelta.removals': 10_000,
  'SiteSettings.keywords': 100,
  'SubscriptionNode.tags': 100,
  'TrafficReceipt.refused': 5_000,
  'TrojanConfig.alpn': 3,
  'TuicConfig.alpn': 3,
  'VlessConfig.alpn': 3,
  'VmessConfig.alpn': 3,
  // A usual length. They grow with the data, so they are counted again when they are read
  // (`limitListValues`); that may be more than the whole cost limit.
  'Mutation.logout': 100,
  'OnlineReceipt.exceeded': 100,
  'OnlineReceipt.notices': 100,
  'PendingBinding.moves': 10,
  'Query.plans': 20,
  'Server.onlineUsers': 10,
  'ServerUser.nodeIds': 20,
  'ServerUserDelta.upserts': 200,
  'Statistics.redemptionsToday': 20,
  'Subscription.devicesExceeded': 100,
  'TrafficReceipt.refusals': 100,
  'User.subscriptions': 10,
  'UserSubscription.nodes': 20,
};

/** For schemas that do not list their fields above. */
const DEFAULT_LENGTH = 5;

/** @param list as in `User.subscriptions` */
export const plainListLength = (list: string): number => PLAIN_LISTS[list] ?? DEFAULT_LENGTH;
