import { createUnionType, Field, Int, ObjectType } from 'type-graphql';
import type { PublicConfig } from '../protocols/protocols.ts';

type ConfigOf<Name extends PublicConfig['protocol']> = Omit<
  Extract<PublicConfig, { protocol: Name }>,
  'protocol'
>;

@ObjectType({
  description: 'How to connect by Shadowsocks. The password is the credential.',
  simpleResolvers: true,
})
export class ShadowsocksConfig implements ConfigOf<'SHADOWSOCKS'> {
  @Field(() => String, { description: 'The cipher, as `aes-256-gcm`.' })
  method!: ConfigOf<'SHADOWSOCKS'>['method'];

  @Field(() => String, {
    nullable: true,
    description:
      "For methods of 2022 only: the server's key in base64. The password is then this, a colon, and in base64 the first 16 or 32 characters of the credential, as many bytes as the key has.",
  })
  serverKey!: string | null;
}

type Tls = Pick<ConfigOf<'TROJAN'>, 'serverName' | 'alpn' | 'fingerprint'>;
type Carried = Pick<ConfigOf<'TROJAN'>, 'network' | 'path' | 'host' | 'serviceName'>;

/** Fields that several protocols have in common; each type has them as its own. */
@ObjectType({ simpleResolvers: true })
abstract class CarriedOverTls implements Tls, Carried {
  @Field(() => String, { nullable: true, description: 'The name to ask for in TLS; null: the address.' })
  serverName!: string | null;

  @Field(() => [String], {
    description: 'What to offer in ALPN, the best first; empty: whatever the app likes.',
  })
  alpn!: Tls['alpn'];

  @Field(() => String, { nullable: true, description: 'Which browser the TLS greeting should look like.' })
  fingerprint!: Tls['fingerprint'];

  @Field(() => String, { description: 'How bytes are carried: `tcp`, `ws`, `grpc` or `httpupgrade`.' })
  network!: Carried['network'];

  @Field(() => String, {
    nullable: true,
    description: 'For `ws` and `httpupgrade`: the path of the request.',
  })
  path!: string | null;

  @Field(() => String, { nullable: true, description: 'For `ws` and `httpupgrade`: the Host header.' })
  host!: string | null;

  @Field(() => String, { nullable: true, description: 'For `grpc`: the name of the service.' })
  serviceName!: string | null;
}

@ObjectType({ description: 'How to connect by VMess. The id is the credential.', simpleResolvers: true })
export class VmessConfig extends CarriedOverTls implements ConfigOf<'VMESS'> {
  @Field(() => String, { description: 'The cipher, as `auto`.' })
  security!: ConfigOf<'VMESS'>['security'];

  @Field(() => Boolean, { description: 'Whether the connection is under TLS.' })
  tls!: boolean;
}

@ObjectType({ description: 'How to connect by VLESS. The id is the credential.', simpleResolvers: true })
export class VlessConfig extends CarriedOverTls implements ConfigOf<'VLESS'> {
  @Field(() => String, { nullable: true, description: '`xtls-rprx-vision`, or null for none.' })
  flow!: ConfigOf<'VLESS'>['flow'];

  @Field(() => String, { description: '`none`, `tls` or `reality`.' })
  security!: ConfigOf<'VLESS'>['security'];

  @Field(() => String, { nullable: true, description: "For Reality: the server's public key, base64url." })
  publicKey!: string | null;

  @Field(() => String, { nullable: true, description: 'For Reality: the short id to show; may be empty.' })
  shortId!: string | null;
}

@ObjectType({
  description: 'How to connect by Trojan, always under TLS. The password is the credential.',
  simpleResolvers: true,
})
export class TrojanConfig extends CarriedOverTls implements ConfigOf<'TROJAN'> {}

@ObjectType({
  description: 'How to connect by Hysteria2, always under TLS. The password is the credential.',
  simpleResolvers: true,
})
export class Hysteria2Config implements ConfigOf<'HYSTERIA2'> {
  @Field(() => String, { nullable: true, description: 'The name to ask for in TLS; null: the address.' })
  serverName!: string | null;

  @Field(() => String, { nullable: true, description: '`salamander`, or null for no obfuscation.' })
  obfs!: ConfigOf<'HYSTERIA2'>['obfs'];

  @Field(() => String, { nullable: true, description: 'The password of the obfuscation, one for all users.' })
  obfsPassword!: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Ports to hop between, as `20000-30000`; null: only `port`.',
  })
  ports!: string | null;

  @Field(() => Int, { nullable: true, description: 'What the app may send, Mbit/s; null: let it find out.' })
  upMbps!: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'What the app may receive, Mbit/s; null: let it find out.',
  })
  downMbps!: number | null;

  @Field(() => String, {
    nullable: true,
    description:
      'SHA-256 of the only certificate to accept, in hexadecimal; null: any that is valid for the name.',
  })
  certificateSha256!: string | null;
}

const TYPES = {
  SHADOWSOCKS: ShadowsocksConfig,
  VMESS: VmessConfig,
  VLESS: VlessConfig,
  TROJAN: TrojanConfig,
  HYSTERIA2: Hysteria2Config,
} as const satisfies Record<PublicConfig['protocol'], unknown>;

export const ClientConfig = createUnionType({
  name: 'ClientConfig',
  description: 'What an app needs to connect to a node, beside its address and the credential; by protocol.',
  types: () => Object.values(TYPES) as [typeof ShadowsocksConfig, ...(typeof TYPES)[keyof typeof TYPES][]],
  // What is resolved has its protocol beside the fields of its type.
  resolveType: (config) => TYPES[(config as unknown as PublicConfig).protocol],
});
