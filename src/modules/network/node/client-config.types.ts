import { createUnionType, Field, Int, ObjectType } from 'type-graphql';
import type { PublicConfig } from '../protocols/protocols.ts';

type ConfigOf<Name extends PublicConfig['protocol']> = Omit<
  Extract<PublicConfig, { protocol: Name }>,
  'protocol'
>;

@ObjectType({
  description:
    'Connection settings for Shadowsocks. The password is the credential, except for 2022 methods.',
  simpleResolvers: true,
})
export class ShadowsocksConfig implements ConfigOf<'SHADOWSOCKS'> {
  @Field(() => String, { description: 'Cipher, such as `aes-256-gcm`.' })
  method!: ConfigOf<'SHADOWSOCKS'>['method'];

  @Field(() => String, {
    nullable: true,
    description:
      "Server key in base64, for 2022 methods only. The password is then this key, a colon, and the base64 of the credential's first 16 or 32 characters, matching the key length.",
  })
  serverKey!: string | null;
}

type Tls = Pick<ConfigOf<'TROJAN'>, 'serverName' | 'alpn' | 'fingerprint'>;
type Carried = Pick<ConfigOf<'TROJAN'>, 'network' | 'path' | 'host' | 'serviceName' | 'mode'>;

/** Fields that several protocols share. Not a GraphQL interface: each type has its own copy. */
@ObjectType({ simpleResolvers: true })
abstract class CarriedOverTls implements Tls, Carried {
  @Field(() => String, { nullable: true, description: 'TLS server name (SNI); null to use the address.' })
  serverName!: string | null;

  @Field(() => [String], {
    description: 'ALPN protocols in order of preference; empty to use the default of the app.',
  })
  alpn!: Tls['alpn'];

  @Field(() => String, {
    nullable: true,
    description: 'Browser whose TLS ClientHello to imitate (uTLS), such as `chrome`; null for none.',
  })
  fingerprint!: Tls['fingerprint'];

  @Field(() => String, {
    description: 'Transport: `tcp` (Xray also names it raw), `ws`, `grpc`, `httpupgrade` or `xhttp`.',
  })
  network!: Carried['network'];

  @Field(() => String, {
    nullable: true,
    description: 'Request path, for `ws`, `httpupgrade` and `xhttp`.',
  })
  path!: string | null;

  @Field(() => String, { nullable: true, description: 'Host header, for `ws` and `httpupgrade`.' })
  host!: string | null;

  @Field(() => String, { nullable: true, description: 'gRPC service name, for `grpc`.' })
  serviceName!: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      'How requests carry the traffic, for `xhttp`: `auto`, `packet-up`, `stream-up` or `stream-one`; null for `auto`.',
  })
  mode!: Carried['mode'];
}

@ObjectType({
  description: 'Connection settings for VMess. The user id is the credential.',
  simpleResolvers: true,
})
export class VmessConfig extends CarriedOverTls implements ConfigOf<'VMESS'> {
  @Field(() => String, { description: 'Cipher, such as `auto`.' })
  security!: ConfigOf<'VMESS'>['security'];

  @Field(() => Boolean, { description: 'Whether the connection uses TLS.' })
  tls!: boolean;
}

@ObjectType({
  description: 'Connection settings for VLESS. The user id is the credential.',
  simpleResolvers: true,
})
export class VlessConfig extends CarriedOverTls implements ConfigOf<'VLESS'> {
  @Field(() => String, { nullable: true, description: 'Flow control: `xtls-rprx-vision`, or null for none.' })
  flow!: ConfigOf<'VLESS'>['flow'];

  @Field(() => String, { description: 'Transport security: `none`, `tls` or `reality`.' })
  security!: ConfigOf<'VLESS'>['security'];

  @Field(() => String, {
    nullable: true,
    description: "The server's X25519 public key in base64url, for Reality.",
  })
  publicKey!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Short id to send, for Reality. Can be an empty string.',
  })
  shortId!: string | null;
}

@ObjectType({
  description: 'Connection settings for Trojan, always over TLS. The password is the credential.',
  simpleResolvers: true,
})
export class TrojanConfig extends CarriedOverTls implements ConfigOf<'TROJAN'> {}

@ObjectType({
  description: 'Connection settings for Hysteria2, always over TLS. The password is the credential.',
  simpleResolvers: true,
})
export class Hysteria2Config implements ConfigOf<'HYSTERIA2'> {
  @Field(() => String, { nullable: true, description: 'TLS server name (SNI); null to use the address.' })
  serverName!: string | null;

  @Field(() => String, { nullable: true, description: 'Obfuscation: `salamander`, or null for none.' })
  obfs!: ConfigOf<'HYSTERIA2'>['obfs'];

  @Field(() => String, { nullable: true, description: 'Obfuscation password, shared by all users.' })
  obfsPassword!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Ports for port hopping, such as `20000-30000`; null to use `port` only.',
  })
  ports!: string | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Upload bandwidth in Mbit/s; null to let the app detect it.',
  })
  upMbps!: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Download bandwidth in Mbit/s; null to let the app detect it.',
  })
  downMbps!: number | null;

  @Field(() => String, {
    nullable: true,
    description:
      'SHA-256 fingerprint of the pinned certificate, in hexadecimal; null to accept any valid certificate.',
  })
  certificateSha256!: string | null;
}

@ObjectType({
  description:
    'Connection settings for TUIC 5, always over QUIC. Both the user id and the password are the credential.',
  simpleResolvers: true,
})
export class TuicConfig implements ConfigOf<'TUIC'> {
  @Field(() => String, { nullable: true, description: 'TLS server name (SNI); null to use the address.' })
  serverName!: string | null;

  @Field(() => [String], { description: 'ALPN protocols to offer; empty for the default of the app.' })
  alpn!: ConfigOf<'TUIC'>['alpn'];

  @Field(() => String, { description: 'Congestion control: `bbr`, `cubic` or `new_reno`.' })
  congestionControl!: ConfigOf<'TUIC'>['congestionControl'];

  @Field(() => String, { description: 'How UDP packets are relayed: `native` or `quic`.' })
  udpRelayMode!: ConfigOf<'TUIC'>['udpRelayMode'];
}

@ObjectType({
  description: 'Connection settings for AnyTLS. The password is the credential.',
  simpleResolvers: true,
})
export class AnytlsConfig implements ConfigOf<'ANYTLS'> {
  @Field(() => String, { nullable: true, description: 'TLS server name (SNI); null to use the address.' })
  serverName!: string | null;

  @Field(() => [String], { description: 'ALPN protocols to offer; empty for the default of the app.' })
  alpn!: ConfigOf<'ANYTLS'>['alpn'];

  @Field(() => String, {
    nullable: true,
    description: 'Browser whose TLS ClientHello to imitate (uTLS), such as `chrome`; null for none.',
  })
  fingerprint!: ConfigOf<'ANYTLS'>['fingerprint'];
}

const TYPES = {
  SHADOWSOCKS: ShadowsocksConfig,
  VMESS: VmessConfig,
  VLESS: VlessConfig,
  TROJAN: TrojanConfig,
  HYSTERIA2: Hysteria2Config,
  TUIC: TuicConfig,
  ANYTLS: AnytlsConfig,
} as const satisfies Record<PublicConfig['protocol'], unknown>;

export const ClientConfig = createUnionType({
  name: 'ClientConfig',
  description: 'Connection settings of a node in addition to its address and the credential, by protocol.',
  types: () => Object.values(TYPES) as [typeof ShadowsocksConfig, ...(typeof TYPES)[keyof typeof TYPES][]],
  // The resolved value has a `protocol` in addition to the fields of its type.
  resolveType: (config) => TYPES[(config as unknown as PublicConfig).protocol],
});
