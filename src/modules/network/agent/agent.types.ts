import { Field, Float, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { BigIntScalar, JsonScalar } from '../../../platform/graphql/scalars.ts';
import { type OnlineNotice as Notice, OnlineNoticeReason } from '../online/online-entries.ts';
import type { ConnectedSubscription } from '../online/online-users.ts';
import type { OnlineReportResult } from '../online/report-online.ts';

registerEnumType(OnlineNoticeReason, {
  name: 'OnlineNoticeReason',
  description: 'Reason why a part of a report of connected subscriptions was not stored.',
  valuesConfig: {
    FOREIGN: { description: 'The subscription does not exist, or cannot use this server.' },
    MALFORMED_ADDRESS: { description: '`ips` contain no IP address; the rest of the entry was stored.' },
    TOO_MANY_ADDRESSES: {
      description: 'The subscription has more than 50 addresses; the first 50 were stored.',
    },
  },
});

@ObjectType({ description: 'The configuration that an agent applies on its server.' })
export class ServerConfig {
  @Field(() => ID, { description: 'Id of the server.' })
  serverId!: string;

  @Field(() => String, { description: 'Display name of the server.' })
  name!: string;

  @Field(() => [JsonScalar], {
    description:
      'The enabled nodes: `id`, `name`, `protocol`, `address`, `port`, `ratio`, `clientConfig` and the private `serverConfig`.',
  })
  nodes!: unknown[];
}

// Simple resolvers save a function call for each field: a page has thousands of entries.
@ObjectType({ description: 'A subscription that a server admits.', simpleResolvers: true })
export class ServerUser {
  @Field(() => ID, { description: 'Id of the subscription; traffic is reported under it.' })
  subscriptionId!: string;

  @Field(() => String, { description: 'UUID with which the user authenticates at the nodes.' })
  credential!: string;

  @Field(() => [ID], { description: 'Nodes of this server that the subscription can use.' })
  nodeIds!: string[];

  @Field(() => Int, { nullable: true, description: 'Speed limit in Mbit/s; null if unlimited.' })
  speedLimit!: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Most devices connected concurrently; null if unlimited.',
  })
  deviceLimit!: number | null;
}

@ObjectType({ description: 'Changes for an agent to apply to its list of users.' })
export class ServerUserDelta {
  @Field(() => BigIntScalar, {
    description:
      'Position in the list after these changes: the next `since`, and the revision to confirm. Opaque; it only increases.',
  })
  revision!: bigint;

  @Field(() => Boolean, {
    description: 'Whether this starts a new list. It replaces the old list once `hasMore` is false.',
  })
  full!: boolean;

  @Field(() => Boolean, { description: 'Whether further changes can be read immediately.' })
  hasMore!: boolean;

  @Field(() => [ServerUser], { description: 'Subscriptions to add or replace.' })
  upserts!: ServerUser[];

  @Field(() => [ID], {
    description: 'Ids of subscriptions to remove. Some may be unknown to the agent.',
  })
  removals!: string[];
}

@InputType({ description: 'A subscription that is connected to the server.' })
export class OnlineEntryInput {
  @Field(() => ID, { description: 'Id of the subscription.' })
  subscriptionId!: string;

  @Field(() => [String], {
    description: 'IP addresses it is used from; a port, brackets or a zone are dropped. The first 50 count.',
  })
  ips!: string[];
}

@InputType({ description: 'Subscriptions that are connected to a server.' })
export class ReportOnlineInput {
  @Field(() => [OnlineEntryInput], {
    description: 'At most 5,000 entries. Entries of the same subscription are united.',
  })
  entries!: OnlineEntryInput[];

  @Field(() => Int, {
    nullable: true,
    description:
      'Number of this part of a longer list, 0 to 9; 0 if absent. Part 0 replaces the list, and each other part adds to it.',
  })
  part?: number | null;

  @Field(() => Boolean, {
    nullable: true,
    description:
      'Whether this replaces the same subscriptions only, and not the list; one without addresses is no longer connected. Such reports are sent when something changes, between whole ones.',
  })
  changesOnly?: boolean | null;
}

@ObjectType({ description: 'Addresses that a server has to disconnect.' })
export class ExceededDevices implements ConnectedSubscription {
  @Field(() => ID, { description: 'Id of the subscription whose devices exceed `deviceLimit`.' })
  subscriptionId!: string;

  @Field(() => [String], {
    description:
      'Addresses to disconnect, and to refuse for this subscription while they are named. All others stay.',
  })
  ips!: string[];
}

@ObjectType({ description: 'Something in a report of connected subscriptions that was not stored.' })
export class OnlineNotice implements Notice {
  @Field(() => Int, { description: 'Zero-based index of the entry in the report.' })
  index!: number;

  @Field(() => ID, { description: 'Id of the subscription, as it was sent, cut to 100 characters.' })
  subscriptionId!: string;

  @Field(() => OnlineNoticeReason, { description: 'Why it was not stored.' })
  reason!: OnlineNoticeReason;

  @Field(() => [String], {
    description: 'The first 50 addresses that this is about; empty for `FOREIGN`.',
  })
  ips!: string[];
}

@ObjectType({ description: 'Result of a report of connected subscriptions.' })
export class OnlineReceipt implements OnlineReportResult {
  @Field(() => Int, { description: 'Distinct subscriptions that were stored from this report.' })
  connected!: number;

  @Field(() => [OnlineNotice], { description: 'What was not stored; empty if everything was.' })
  notices!: OnlineNotice[];

  @Field(() => [ExceededDevices], {
    description:
      'Addresses of the reported subscriptions to disconnect, because a subscription is used from more devices than its limit, at all servers together. Later changes arrive by `devicesExceeded`.',
  })
  exceeded!: ExceededDevices[];
}

@InputType({ description: 'Load of a server.' })
export class ServerStatusInput {
  @Field(() => Float, { description: 'CPU load, 0 to 1.' })
  cpu!: number;

  @Field(() => Float, { description: 'Memory in use, 0 to 1.' })
  memory!: number;

  @Field(() => Float, { description: 'Disk in use, 0 to 1.' })
  disk!: number;

  @Field(() => String, { description: 'Version of the agent, 1-50 characters.' })
  version!: string;

  @Field(() => String, {
    nullable: true,
    description:
      'Why a part of the server does not work, 1-300 characters; absent or null if everything works. Admins see it, and the server is LAGGING.',
  })
  problem?: string | null;
}
