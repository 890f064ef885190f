import { Field, Float, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import type { Server as ServerRow } from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { DateTimeScalar } from '../../../platform/graphql/scalars.ts';

/** How a server is doing, by what its agent last said. */
export const ServerStatus = { ONLINE: 'ONLINE', LAGGING: 'LAGGING', OFFLINE: 'OFFLINE' } as const;
export type ServerStatus = keyof typeof ServerStatus;

registerEnumType(ServerStatus, {
  name: 'ServerStatus',
  description: 'How a server is doing, by what its agent last said.',
  valuesConfig: {
    ONLINE: { description: 'Its agent is there, and has the present list of users.' },
    LAGGING: { description: 'Its agent is there, but has not applied the latest changes.' },
    OFFLINE: { description: 'Nothing was heard of its agent for a while.' },
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
  | 'version'
  | 'createdAt'
>;

@ObjectType({ description: 'A machine, and what its agent last said.' })
export class Server implements ServerFields {
  @Field(() => ID, { description: 'UUID.' })
  id!: string;

  @Field(() => String, { description: 'What people call it.' })
  name!: string;

  @Field(() => String, {
    description: 'Host name or IP address; of its nodes too, unless they have their own.',
  })
  address!: string;

  @Field(() => String, { description: 'Where it stands; empty when unknown.' })
  country!: string;

  @Field(() => String, { description: 'Where it stands; empty when unknown.' })
  city!: string;

  @Field(() => Float, { nullable: true, description: 'Degrees north, -90 to 90.' })
  latitude!: number | null;

  @Field(() => Float, { nullable: true, description: 'Degrees east, -180 to 180.' })
  longitude!: number | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When its agent was last heard of.' })
  lastSeenAt!: Date | null;

  @Field(() => Float, { nullable: true, description: 'Load of its processors, 0 to 1, as the agent says.' })
  cpu!: number | null;

  @Field(() => Float, { nullable: true, description: 'Memory in use, 0 to 1, as the agent says.' })
  memory!: number | null;

  @Field(() => Float, { nullable: true, description: 'Disk in use, 0 to 1, as the agent says.' })
  disk!: number | null;

  @Field(() => String, { nullable: true, description: 'The version of its agent.' })
  agentVersion!: string | null;

  @Field(() => Int, { description: 'Goes up with each change; send it back to notice changes by others.' })
  version!: number;

  @Field(() => DateTimeScalar, { description: 'When it was added.' })
  createdAt!: Date;
}

export const ServerConnection = Connection(Server, 'Server');

@ObjectType({ description: 'A subscription that is connected to a server.' })
export class OnlineUser {
  @Field(() => ID, { description: 'Which subscription.' })
  subscriptionId!: string;

  @Field(() => [String], { description: 'The addresses it is used from.' })
  ips!: string[];
}

@ObjectType({ description: 'A server, and the token of its agent.' })
export class ServerCredential {
  @Field(() => Server, { description: 'The server.' })
  server!: Server;

  @Field(() => String, { description: 'The token of its agent; it is shown this once.' })
  token!: string;
}

@InputType({ description: 'A server to be added.' })
export class CreateServerInput {
  @Field(() => String, { description: 'What people call it, 1-100 characters.' })
  name!: string;

  @Field(() => String, { description: 'Host name or IP address.' })
  address!: string;

  @Field(() => String, { nullable: true, description: 'Where it stands, at most 100 characters.' })
  country?: string | null;

  @Field(() => String, { nullable: true, description: 'Where it stands, at most 100 characters.' })
  city?: string | null;

  @Field(() => Float, { nullable: true, description: 'Degrees north, -90 to 90.' })
  latitude?: number | null;

  @Field(() => Float, { nullable: true, description: 'Degrees east, -180 to 180.' })
  longitude?: number | null;
}

@InputType({ description: 'What is to change of a server; what is absent stays.' })
export class UpdateServerInput {
  @Field(() => Int, {
    nullable: true,
    description: 'The version that you have read; absent: the last change wins.',
  })
  version?: number | null;

  @Field(() => String, { nullable: true, description: 'What people call it, 1-100 characters.' })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'Host name or IP address.' })
  address?: string | null;

  @Field(() => String, { nullable: true, description: 'Where it stands; null takes it away.' })
  country?: string | null;

  @Field(() => String, { nullable: true, description: 'Where it stands; null takes it away.' })
  city?: string | null;

  @Field(() => Float, { nullable: true, description: 'Degrees north, -90 to 90; null takes it away.' })
  latitude?: number | null;

  @Field(() => Float, { nullable: true, description: 'Degrees east, -180 to 180; null takes it away.' })
  longitude?: number | null;
}
