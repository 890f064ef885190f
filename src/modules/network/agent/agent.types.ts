import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { BigIntScalar, JsonScalar } from '../../../platform/graphql/scalars.ts';

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

  @Field(() => [String], { description: 'IP addresses it is used from, at most 50.' })
  ips!: string[];
}

@InputType({ description: 'All subscriptions that are connected to a server.' })
export class ReportOnlineInput {
  @Field(() => [OnlineEntryInput], { description: 'At most 5,000 entries.' })
  entries!: OnlineEntryInput[];
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
}
