import { Field, Float, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { type Node as NodeRow, Protocol } from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { DateTimeScalar, JsonScalar } from '../../../platform/graphql/scalars.ts';
import type { CredentialedNode } from '../node-list/subscription-nodes.ts';
import type { PublicConfig } from '../protocols/protocols.ts';
import { ClientConfig } from './client-config.types.ts';

registerEnumType(Protocol, {
  name: 'Protocol',
  description: 'What a node speaks.',
  valuesConfig: {
    SHADOWSOCKS: { description: 'Shadowsocks with an AEAD cipher.' },
    VMESS: { description: 'VMess.' },
    VLESS: { description: 'VLESS: plain, under TLS, or with Reality.' },
    TROJAN: { description: 'Trojan, under TLS.' },
    HYSTERIA2: { description: 'Hysteria2, over QUIC.' },
  },
});

type NodeFields = Pick<
  NodeRow,
  'id' | 'name' | 'protocol' | 'port' | 'tags' | 'enabled' | 'sort' | 'clientConfig' | 'version' | 'createdAt'
>;

@ObjectType({ description: 'An endpoint on a server that users connect to, for admins.' })
export class Node implements NodeFields {
  @Field(() => ID, { description: 'UUID.' })
  id!: string;

  @Field(() => String, { description: 'What people call it.' })
  name!: string;

  @Field(() => Protocol, { description: 'What it speaks.' })
  protocol!: Protocol;

  @Field(() => Int, { description: 'Where it listens, 1-65535.' })
  port!: number;

  @Field(() => [String], { description: 'Plans with one of these tags have it.' })
  tags!: string[];

  @Field(() => Boolean, { description: 'Whether it is listed.' })
  enabled!: boolean;

  @Field(() => Int, { description: 'Its place in lists: the smallest comes first.' })
  sort!: number;

  @Field(() => JsonScalar, { description: 'What apps are told to connect, by the schema of its protocol.' })
  clientConfig!: NodeRow['clientConfig'];

  @Field(() => Int, { description: 'Goes up with each change; send it back to notice changes by others.' })
  version!: number;

  @Field(() => DateTimeScalar, { description: 'When it was added.' })
  createdAt!: Date;
}

export const NodeConnection = Connection(Node, 'Node');

@ObjectType({
  description: 'A node of a subscription: where to connect, how, and with which credential.',
  simpleResolvers: true,
})
export class SubscriptionNode implements CredentialedNode {
  @Field(() => ID, { description: 'Names the pair of subscription and node.' })
  id!: string;

  @Field(() => ID, { description: 'The node; the same for everybody who has it.' })
  nodeId!: string;

  @Field(() => String, { description: 'What people call it.' })
  name!: string;

  @Field(() => Protocol, { description: 'What it speaks.' })
  protocol!: Protocol;

  @Field(() => String, { description: 'Host name or IP address.' })
  address!: string;

  @Field(() => Int, { description: 'Where it listens.' })
  port!: number;

  @Field(() => [String], { description: 'Words to group it by.' })
  tags!: string[];

  @Field(() => String, { description: 'Where it stands; empty when unknown.' })
  country!: string;

  @Field(() => String, { description: 'Where it stands; empty when unknown.' })
  city!: string;

  @Field(() => Float, { nullable: true, description: 'Degrees north, -90 to 90.' })
  latitude!: number | null;

  @Field(() => Float, { nullable: true, description: 'Degrees east, -180 to 180.' })
  longitude!: number | null;

  @Field(() => Boolean, { description: 'Whether its server was heard of within the last minute.' })
  online!: boolean;

  @Field(() => String, { description: 'UUID to show at the node; keep it secret.' })
  credential!: string;

  @Field(() => ClientConfig, { description: 'How to connect.' })
  clientConfig!: PublicConfig;
}

@InputType({ description: 'Which nodes; what is left out does not matter.' })
export class NodeFilter {
  @Field(() => ID, { nullable: true, description: 'On which server.' })
  serverId?: string | null;

  @Field(() => String, { nullable: true, description: 'With this tag.' })
  tag?: string | null;

  @Field(() => Protocol, { nullable: true, description: 'That speak this.' })
  protocol?: Protocol | null;

  @Field(() => Boolean, { nullable: true, description: 'Whether they are listed.' })
  enabled?: boolean | null;
}

@InputType({ description: 'A new node.' })
export class CreateNodeInput {
  @Field(() => ID, { description: 'The server that it is on.' })
  serverId!: string;

  @Field(() => String, { description: 'What people call it, 1-100 characters.' })
  name!: string;

  @Field(() => Protocol, { description: 'What it speaks.' })
  protocol!: Protocol;

  @Field(() => String, {
    nullable: true,
    description: "Host name or IP address; absent: the server's.",
  })
  address?: string | null;

  @Field(() => Int, { description: 'Where it listens, 1-65535.' })
  port!: number;

  @Field(() => [String], { nullable: true, description: 'Plans with one of these tags have it.' })
  tags?: string[] | null;

  @Field(() => Float, {
    nullable: true,
    description: 'What a byte counts here, 0 to 99999.9999, at most 4 decimals; absent: 1.',
  })
  ratio?: number | null;

  @Field(() => Boolean, { nullable: true, description: 'Whether it is listed; absent: yes.' })
  enabled?: boolean | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Its place in lists: the smallest comes first; absent: 0.',
  })
  sort?: number | null;

  @Field(() => JsonScalar, {
    description:
      'What apps are told to connect: the fields of the type of ClientConfig for its protocol. Other keys are refused.',
  })
  clientConfig!: unknown;

  @Field(() => JsonScalar, {
    nullable: true,
    description:
      'What only the agent is told: `listen`; under TLS `certificate` and `privateKey` in PEM, unless the agent finds them itself; for Reality `privateKey`, `shortIds` and `destination`; for Hysteria2 `masquerade`. Other keys are refused.',
  })
  serverConfig?: unknown;
}

@InputType({ description: 'What changes of a node; what is left out stays as it is.' })
export class UpdateNodeInput {
  @Field(() => Int, {
    nullable: true,
    description: 'The version that was edited; absent: whatever there is now.',
  })
  version?: number | null;

  @Field(() => String, { nullable: true, description: 'What people call it, 1-100 characters.' })
  name?: string | null;

  @Field(() => Protocol, {
    nullable: true,
    description: 'What it speaks; another one needs configs that fit it.',
  })
  protocol?: Protocol | null;

  @Field(() => String, { nullable: true, description: "Host name or IP address; null: the server's." })
  address?: string | null;

  @Field(() => Int, { nullable: true, description: 'Where it listens, 1-65535.' })
  port?: number | null;

  @Field(() => [String], { nullable: true, description: 'All of its tags.' })
  tags?: string[] | null;

  @Field(() => Float, {
    nullable: true,
    description: 'What a byte counts here, 0 to 99999.9999, at most 4 decimals.',
  })
  ratio?: number | null;

  @Field(() => Boolean, { nullable: true, description: 'Whether it is listed.' })
  enabled?: boolean | null;

  @Field(() => Int, { nullable: true, description: 'Its place in lists: the smallest comes first.' })
  sort?: number | null;

  @Field(() => JsonScalar, { nullable: true, description: 'Replaces what apps are told to connect.' })
  clientConfig?: unknown;

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'Replaces what only the agent is told; null: it is told nothing.',
  })
  serverConfig?: unknown;
}
