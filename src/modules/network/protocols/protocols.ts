import type { z } from 'zod';
import type { Protocol } from '../../../generated/prisma/client.ts';
import { hysteria2 } from './hysteria2.ts';
import type { ProtocolConfig } from './protocol-config.ts';
import { shadowsocks } from './shadowsocks.ts';
import { trojan } from './trojan.ts';
import { vless } from './vless.ts';
import { vmess } from './vmess.ts';

/**
 * Another protocol is another file, a line here, a value of the enum and a member of the union
 * ClientConfig.
 */
export const PROTOCOLS = {
  SHADOWSOCKS: shadowsocks,
  VMESS: vmess,
  VLESS: vless,
  TROJAN: trojan,
  HYSTERIA2: hysteria2,
} as const satisfies Record<Protocol, ProtocolConfig>;

type Protocols = typeof PROTOCOLS;

/** The public part of a config, with the protocol that it is of. */
export type PublicConfig = {
  [Name in Protocol]: { protocol: Name } & z.output<Protocols[Name]['client']>;
}[Protocol];
