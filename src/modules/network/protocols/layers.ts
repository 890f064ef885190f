import type { Protocol } from '../../../generated/prisma/client.ts';

/** A transport layer protocol, whose ports are separate. */
export type Layer = 'tcp' | 'udp';

const LAYERS = {
  SHADOWSOCKS: ['tcp', 'udp'],
  VMESS: ['tcp'],
  VLESS: ['tcp'],
  TROJAN: ['tcp'],
  HYSTERIA2: ['udp'],
  TUIC: ['udp'],
  ANYTLS: ['tcp'],
} as const satisfies Record<Protocol, readonly Layer[]>;

/** The layers that a node of this protocol listens on. */
export function layersOf(protocol: Protocol, clientConfig: unknown): readonly Layer[] {
  const { network, alpn } = clientConfig as { network?: string; alpn?: string[] };
  // XHTTP is HTTP/3 if that is the only ALPN protocol.
  return network === 'xhttp' && alpn?.join() === 'h3' ? ['udp'] : LAYERS[protocol];
}
