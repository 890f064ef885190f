import type { z } from 'zod';
import type { Protocol } from '../../../generated/prisma/client.ts';
import { anytls } from './anytls.ts';
import { hysteria2 } from './hysteria2.ts';
import type { ProtocolConfig } from './protocol-config.ts';
import { shadowsocks } from './shadowsocks.ts';
import { trojan } from './trojan.ts';
import { tuic } from './tuic.ts';
import { vless } from './vless.ts';
import { vmess } from './vmess.ts';

/**
 * To add a protocol: a file like `trojan.ts`, an entry here, a value of the enum `Protocol`, and a
 * member of the union `ClientConfig`.
 */
export const PROTOCOLS = {
  SHADOWSOCKS: shadowsocks,
  VMESS: vmess,
  VLESS: vless,
  TROJAN: trojan,
  HYSTERIA2: hysteria2,
  TUIC: tuic,
  ANYTLS: anytls,
} as const satisfies Record<Protocol, ProtocolConfig>;

type Protocols = typeof PROTOCOLS;

/** The part of a config that apps get, tagged with its protocol. */
export type PublicConfig = {
  [Name in Protocol]: { protocol: Name } & z.output<Protocols[Name]['client']>;
}[Protocol];
