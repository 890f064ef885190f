import { Field, Float, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { type Node as NodeRow, Protocol } from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { DateTimeScalar, JsonScalar } from '../../../platform/graphql/scalars.ts';
import type { CredentialedNode } from '../node-list/subscription-nodes.ts';
import type { PublicConfig } from '../protocols/protocols.ts';
import { ClientConfig } from './client-config.types.ts';

registerEnumType(Protocol, {
  name: 'Protocol',
  description: 'Proxy protocol of a node.',
  valuesConfig: {
    SHADOWSOCKS: { description: 'Shadowsocks with an AEAD cipher.' },
    VMESS: { description: 'VMess, plain or over TLS.' },
    VLESS: { description: 'VLESS: plain, over TLS, or with Reality.' },
    TROJAN: { description: 'Trojan, always over TLS.' },
    HYSTERIA2: { description: 'Hysteria2, over QUIC.' },
    TUIC: { description: 'TUIC of version 5, over QUIC.' },
    ANYTLS: { description: 'AnyTLS, over TLS.' },
  },
});

type NodeFields = Pick<
  NodeRow,
  'id' | 'name' | 'protocol' | 'port' | 'tags' | 'enabled' | 'sort' | 'clientConfig' | 'version' | 'createdAt'
>;

@ObjectType({ description: 'A proxy endpoint on a server that users connect to, as admins see it.' })
export class Node implements NodeFields {
  @Field(() => ID, { description: 'UUID of the node.' })
  id!: string;

  @Field(() => String, { description: 'Display name.' })
  name!: string;

  @Field(() => Protocol, { description: 'Protocol that determines the schemas of both configs.' })
  protocol!: Protocol;

  @Field(() => Int, { description: 'Port it listens on, 1-65535.' })
  port!: number;

  @Field(() => [String], { description: 'Plans that have one of these tags contain the node.' })
  tags!: string[];

  @Field(() => Boolean, { description: 'Whether users and agents get the node.' })
  enabled!: boolean;

  @Field(() => Int, { description: 'Sort key in node lists, ascending.' })
  sort!: number;

  @Field(() => JsonScalar, {
    description: 'Connection settings that apps get; the schema depends on the protocol.',
  })
  clientConfig!: NodeRow['clientConfig'];

  @Field(() => Int, {
    description: 'Incremented by each change. Send it with an update to detect concurrent changes.',
  })
  version!: number;

  @Field(() => DateTimeScalar, { description: 'When the node was added.' })
  createdAt!: Date;
}

export const NodeConnection = Connection(Node, 'Node');

@ObjectType({
  description: 'A node that a subscription can use: where and how to connect, and with which credential.',
  simpleResolvers: true,
})
export class SubscriptionNode implements CredentialedNode {
  @Field(() => ID, {
    description: 'Combines the ids of subscription and node, so that caches keep credentials apart.',
  })
  id!: string;

  @Field(() => ID, { description: 'UUID of the node; equal in all subscriptions that contain it.' })
  nodeId!: string;

  @Field(() => String, { description: 'Display name.' })
  name!: string;

  @Field(() => Protocol, { description: 'Protocol; it determines the type of `clientConfig`.' })
  protocol!: Protocol;

  @Field(() => String, { description: 'Host name or IP address to connect to.' })
  address!: string;

  @Field(() => Int, { description: 'Port to connect to.' })
  port!: number;

  @Field(() => [String], { description: 'Tags, for grouping nodes in an app.' })
  tags!: string[];

  @Field(() => String, { description: 'Country the server is located in; empty if unknown.' })
  country!: string;

  @Field(() => String, { description: 'City the server is located in; empty if unknown.' })
  city!: string;

  @Field(() => Float, { nullable: true, description: 'Degrees north, -90 to 90; null if unknown.' })
  latitude!: number | null;

  @Field(() => Float, { nullable: true, description: 'Degrees east, -180 to 180; null if unknown.' })
  longitude!: number | null;

  @Field(() => Boolean, { description: 'Whether the agent of the server was seen within the last minute.' })
  online!: boolean;

  @Field(() => String, { description: 'UUID with which the user authenticates at the node. Keep it secret.' })
  credential!: string;

  @Field(() => ClientConfig, { description: 'Connection settings of the protocol.' })
  clientConfig!: PublicConfig;
}

@InputType({
  description: 'Conditions on nodes, combined with AND. Absent and null conditions are ignored.',
})
export class NodeFilter {
  @Field(() => ID, { nullable: true, description: 'Only nodes of the server with this id.' })
  serverId?: string | null;

  @Field(() => String, { nullable: true, description: 'Only nodes with this tag.' })
  tag?: string | null;

  @Field(() => Protocol, { nullable: true, description: 'Only nodes of this protocol.' })
  protocol?: Protocol | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Only enabled (true) or only disabled (false) nodes.',
  })
  enabled?: boolean | null;
}

@InputType({ description: 'A node to add.' })
export class CreateNodeInput {
  @Field(() => ID, { description: 'Id of the server to add it to.' })
  serverId!: string;

  @Field(() => String, { description: 'Display name, 1-100 characters.' })
  name!: string;

  @Field(() => Protocol, { description: 'Protocol that determines the schemas of both configs.' })
  protocol!: Protocol;

  @Field(() => String, {
    nullable: true,
    description: "Host name or IP address; the server's if absent.",
  })
  address?: string | null;

  @Field(() => Int, { description: 'Port it listens on, 1-65535.' })
  port!: number;

  @Field(() => [String], {
    nullable: true,
    description: 'At most 100 tags of 1-50 characters. Plans that have one of them contain the node.',
  })
  tags?: string[] | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Factor by which traffic is counted, 0 to 99999.9999 with at most 4 decimals; 1 if absent.',
  })
  ratio?: number | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether users and agents get the node; true if absent.',
  })
  enabled?: boolean | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Sort key in node lists, ascending; 0 if absent.',
  })
  sort?: number | null;

  @Field(() => JsonScalar, {
    description:
      "Connection settings that apps get: the fields of the protocol's member of ClientConfig. Other keys are rejected.",
  })
  clientConfig!: unknown;

  @Field(() => JsonScalar, {
    nullable: true,
    description:
      'Settings that only the agent gets: `listen`; for TLS `certificate` and `privateKey` in PEM, unless the agent obtains them itself; for Reality `privateKey`, `shortIds` and `destination`; for Hysteria2 `masquerade`; for AnyTLS `paddingScheme`. Other keys are rejected.',
  })
  serverConfig?: unknown;
}

@InputType({ description: 'Changes to a node. Absent fields keep their values.' })
export class UpdateNodeInput {
  @Field(() => Int, {
    nullable: true,
    description: 'The version that was edited; if absent, the update overwrites concurrent changes.',
  })
  version?: number | null;

  @Field(() => String, { nullable: true, description: 'Display name, 1-100 characters.' })
  name?: string | null;

  @Field(() => Protocol, {
    nullable: true,
    description: 'Protocol. Changing it requires configs that are valid for the new one.',
  })
  protocol?: Protocol | null;

  @Field(() => String, { nullable: true, description: "Host name or IP address; null to use the server's." })
  address?: string | null;

  @Field(() => Int, { nullable: true, description: 'Port it listens on, 1-65535.' })
  port?: number | null;

  @Field(() => [String], { nullable: true, description: 'All tags of the node; replaces the previous ones.' })
  tags?: string[] | null;

  @Field(() => Float, {
    nullable: true,
    description: 'Factor by which traffic is counted, 0 to 99999.9999 with at most 4 decimals.',
  })
  ratio?: number | null;

  @Field(() => Boolean, { nullable: true, description: 'Whether users and agents get the node.' })
  enabled?: boolean | null;

  @Field(() => Int, { nullable: true, description: 'Sort key in node lists, ascending.' })
  sort?: number | null;

  @Field(() => JsonScalar, { nullable: true, description: 'Replaces all connection settings that apps get.' })
  clientConfig?: unknown;

  @Field(() => JsonScalar, {
    nullable: true,
    description: 'Replaces all settings that only the agent gets; null removes them.',
  })
  serverConfig?: unknown;
}
