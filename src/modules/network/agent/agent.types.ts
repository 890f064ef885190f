import { Field, Float, ID, InputType, Int, ObjectType } from 'type-graphql';
import { BigIntScalar, JsonScalar } from '../../../platform/graphql/scalars.ts';

@ObjectType({ description: 'What an agent runs on its server.' })
export class ServerConfig {
  @Field(() => ID, { description: 'The server it is of.' })
  serverId!: string;

  @Field(() => String, { description: 'What people call the server.' })
  name!: string;

  @Field(() => [JsonScalar], {
    description:
      'The enabled nodes: `id`, `name`, `protocol`, `address`, `port`, `ratio`, `clientConfig` and the private `serverConfig`.',
  })
  nodes!: unknown[];
}

// A page has thousands: their fields are read without a function call for each.
@ObjectType({ description: 'Somebody whom a server lets in.', simpleResolvers: true })
export class ServerUser {
  @Field(() => ID, { description: 'The subscription; traffic is reported under it.' })
  subscriptionId!: string;

  @Field(() => String, { description: 'What the user shows at the nodes.' })
  credential!: string;

  @Field(() => [ID], { description: 'The nodes of this server that may be used.' })
  nodeIds!: string[];

  @Field(() => Int, { nullable: true, description: 'Mbit/s; null is unlimited.' })
  speedLimit!: number | null;

  @Field(() => Int, { nullable: true, description: 'How many devices at once; null is unlimited.' })
  deviceLimit!: number | null;
}

@ObjectType({ description: 'What an agent has to change in its list of users.' })
export class ServerUserDelta {
  @Field(() => BigIntScalar, {
    description:
      'Where the list stands afterwards: the next `since`, and what is confirmed once it is applied.',
  })
  revision!: bigint;

  @Field(() => Boolean, {
    description:
      'Whether this begins a new list, which takes the place of the old one once `hasMore` is false.',
  })
  full!: boolean;

  @Field(() => Boolean, { description: 'Whether there is more to be read at once.' })
  hasMore!: boolean;

  @Field(() => [ServerUser], { description: 'Who is let in now, or differently.' })
  upserts!: ServerUser[];

  @Field(() => [ID], {
    description: 'Subscriptions that are let in no longer; unknown ones may be among them.',
  })
  removals!: string[];
}

@InputType({ description: 'A subscription that is connected.' })
export class OnlineEntryInput {
  @Field(() => ID, { description: 'Which subscription.' })
  subscriptionId!: string;

  @Field(() => [String], { description: 'The addresses it is used from, at most 50.' })
  ips!: string[];
}

@InputType({ description: 'Who is connected to a server.' })
export class ReportOnlineInput {
  @Field(() => [OnlineEntryInput], { description: 'Everybody who is, at most 5,000.' })
  entries!: OnlineEntryInput[];
}

@InputType({ description: 'How a machine is doing.' })
export class ServerStatusInput {
  @Field(() => Float, { description: 'Load of its processors, 0 to 1.' })
  cpu!: number;

  @Field(() => Float, { description: 'Memory in use, 0 to 1.' })
  memory!: number;

  @Field(() => Float, { description: 'Disk in use, 0 to 1.' })
  disk!: number;

  @Field(() => String, { description: 'The version of the agent, at most 50 characters.' })
  version!: string;
}
