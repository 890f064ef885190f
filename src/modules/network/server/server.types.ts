import { Field, Float, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import type { Server as ServerRow } from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { DateTimeScalar } from '../../../platform/graphql/scalars.ts';

export const ServerStatus = { ONLINE: 'ONLINE', LAGGING: 'LAGGING', OFFLINE: 'OFFLINE' } as const;
export type ServerStatus = keyof typeof ServerStatus;

registerEnumType(ServerStatus, {
  name: 'ServerStatus',
  description: 'Whether a server is online, and whether its agent has the current list of users.',
  valuesConfig: {
    ONLINE: { description: 'The agent was seen within the last minute, and the server is not LAGGING.' },
    LAGGING: {
      description:
        'The agent was seen within the last minute, but a change has been unconfirmed for at least 10 seconds, or it reports a `problem`.',
    },
    OFFLINE: { description: 'The agent was never seen, or not within the last minute.' },
  },
});

type ServerFields = Pick<
  ServerRow,
  | 'id'
  | 'name'
  | 'address'
  | 'country'
  | 'city'
  | 'latitude'
  | 'longitude'
  | 'lastSeenAt'
  | 'cpu'
  | 'memory'
  | 'disk'
  | 'agentVersion'
  | 'problem'
  | 'version'
  | 'createdAt'
>;

@ObjectType({ description: 'A machine with nodes, and the latest report of its agent.' })
export class Server implements ServerFields {
  @Field(() => ID, { description: 'UUID of the server.' })
  id!: string;

  @Field(() => String, { description: 'Display name.' })
  name!: string;

  @Field(() => String, {
    description: 'Host name or IP address. Also the address of nodes that have none of their own.',
  })
  address!: string;

  @Field(() => String, { description: 'Country it is located in; empty if unknown.' })
  country!: string;

  @Field(() => String, { description: 'City it is located in; empty if unknown.' })
  city!: string;

  @Field(() => Float, { nullable: true, description: 'Degrees north, -90 to 90; null if unknown.' })
  latitude!: number | null;

  @Field(() => Float, { nullable: true, description: 'Degrees east, -180 to 180; null if unknown.' })
  longitude!: number | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When the agent was last seen; null if never.',
  })
  lastSeenAt!: Date | null;

  @Field(() => Float, { nullable: true, description: 'CPU load, 0 to 1, as reported by the agent.' })
  cpu!: number | null;

  @Field(() => Float, { nullable: true, description: 'Memory in use, 0 to 1, as reported by the agent.' })
  memory!: number | null;

  @Field(() => Float, { nullable: true, description: 'Disk in use, 0 to 1, as reported by the agent.' })
  disk!: number | null;

  @Field(() => String, { nullable: true, description: 'Version of the agent; null until its first report.' })
  agentVersion!: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'Why a part of the server does not work, such as a core that does not respond, as reported by the agent; null if everything works.',
  })
  problem!: string | null;

  @Field(() => Int, {
    description: 'Incremented by each change. Send it with an update to detect concurrent changes.',
  })
  version!: number;

  @Field(() => DateTimeScalar, { description: 'When the server was added.' })
  createdAt!: Date;
}

export const ServerConnection = Connection(Server, 'Server');

@ObjectType({ description: 'A subscription that is connected to a server.' })
export class OnlineUser {
  @Field(() => ID, { description: 'Id of the subscription.' })
  subscriptionId!: string;

  @Field(() => [String], { description: 'IP addresses it is used from.' })
  ips!: string[];
}

@ObjectType({ description: 'A server with the token of its agent.' })
export class ServerCredential {
  @Field(() => Server, { description: 'The server that the token belongs to.' })
  server!: Server;

  @Field(() => String, { description: 'Token of the agent, starting with `srv_`. It cannot be shown again.' })
  token!: string;
}

@InputType({ description: 'A server to add.' })
export class CreateServerInput {
  @Field(() => String, { description: 'Display name, 1-100 characters.' })
  name!: string;

  @Field(() => String, { description: 'Host name or IP address.' })
  address!: string;

  @Field(() => String, { nullable: true, description: 'Country it is located in, at most 100 characters.' })
  country?: string | null;

  @Field(() => String, { nullable: true, description: 'City it is located in, at most 100 characters.' })
  city?: string | null;

  @Field(() => Float, { nullable: true, description: 'Degrees north, -90 to 90.' })
  latitude?: number | null;

  @Field(() => Float, { nullable: true, description: 'Degrees east, -180 to 180.' })
  longitude?: number | null;
}

@InputType({ description: 'Changes to a server. Absent fields keep their values.' })
export class UpdateServerInput {
  @Field(() => Int, {
    nullable: true,
    description: 'The version that was edited; if absent, the update overwrites concurrent changes.',
  })
  version?: number | null;

  @Field(() => String, { nullable: true, description: 'Display name, 1-100 characters.' })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'Host name or IP address.' })
  address?: string | null;

  @Field(() => String, { nullable: true, description: 'Country, at most 100 characters; null clears it.' })
  country?: string | null;

  @Field(() => String, { nullable: true, description: 'City, at most 100 characters; null clears it.' })
  city?: string | null;

  @Field(() => Float, { nullable: true, description: 'Degrees north, -90 to 90; null clears it.' })
  latitude?: number | null;

  @Field(() => Float, { nullable: true, description: 'Degrees east, -180 to 180; null clears it.' })
  longitude?: number | null;
}
