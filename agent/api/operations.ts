/** What the agent asks of the API. docs/agents.md describes the operations. */

export const CONFIG = '{ serverConfig { serverId name nodes } }';

export const USERS = `subscription ($since: BigInt) {
  serverUsersChanged(since: $since) {
    revision full hasMore removals
    upserts { subscriptionId credential nodeIds }
  }
}`;

export const EXCEEDED = 'subscription { devicesExceeded { subscriptionId ips } }';

export const CONFIRM = 'mutation ($revision: BigInt!) { confirmServerUsers(revision: $revision) }';

export const ONLINE = `mutation ($input: ReportOnlineInput!) {
  reportOnlineUsers(input: $input) { connected exceeded { subscriptionId ips } }
}`;

export const STATUS = 'mutation ($input: ServerStatusInput!) { reportServerStatus(input: $input) }';

export const TRAFFIC = `mutation ($input: ReportTrafficInput!) {
  reportTraffic(input: $input) { applied refused }
}`;
