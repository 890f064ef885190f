import type { CredentialedNode } from '../node-list/subscription-nodes.ts';
import type { PublicConfig } from '../protocols/protocols.ts';

/** The part of a node that links have. */
export type LinkedNode = Pick<
  CredentialedNode,
  'nodeId' | 'name' | 'address' | 'port' | 'clientConfig' | 'credential'
>;

/** A node of one protocol. */
export type NodeOf<Protocol extends PublicConfig['protocol']> = LinkedNode & {
  clientConfig: Extract<PublicConfig, { protocol: Protocol }>;
};

export interface Tls {
  serverName: string | null;
  alpn: readonly string[];
  fingerprint: string | null;
  reality: { publicKey: string; shortId: string } | null;
}

/** The TLS settings of a config; null if it has no TLS. */
export function tlsOf(config: PublicConfig): Tls | null {
  switch (config.protocol) {
    case 'SHADOWSOCKS':
      return null;
    case 'HYSTERIA2':
      return { serverName: config.serverName, alpn: [], fingerprint: null, reality: null };
    case 'TUIC':
      return { ...config, fingerprint: null, reality: null };
    case 'ANYTLS':
      return { ...config, reality: null };
    case 'VMESS':
      return config.tls ? { ...config, reality: null } : null;
    case 'TROJAN':
      return { ...config, reality: null };
    case 'VLESS':
      return config.security === 'none' ? null : { ...config, reality: realityOf(config) };
  }
}

function realityOf(config: Extract<PublicConfig, { protocol: 'VLESS' }>): Tls['reality'] {
  const { security, publicKey, shortId } = config;
  return security === 'reality' ? { publicKey: publicKey ?? '', shortId: shortId ?? '' } : null;
}

export type Transport = Pick<
  Extract<PublicConfig, { protocol: 'TROJAN' }>,
  'network' | 'path' | 'host' | 'serviceName' | 'mode'
>;

/** The transport settings of a config; null for protocols that have their own. */
export function transportOf(config: PublicConfig): Transport | null {
  return 'network' in config ? config : null;
}

/** Bytes of the user's key in Shadowsocks 2022. */
const KEY_BYTES = { '2022-blake3-aes-128-gcm': 16, '2022-blake3-aes-256-gcm': 32 } as const;

const keyOf = (credential: string, bytes: number) =>
  Buffer.from(credential).subarray(0, bytes).toString('base64');

/** Functions that derive what documents contain instead of a credential. */
export const DERIVED_KEYS = [...new Set(Object.values(KEY_BYTES))].map(
  (bytes) => (credential: string) => keyOf(credential, bytes),
);

/** The password of a user at a Shadowsocks node. */
export function shadowsocksPassword({ clientConfig, credential }: NodeOf<'SHADOWSOCKS'>): string {
  const { method, serverKey } = clientConfig;
  const bytes = method in KEY_BYTES ? KEY_BYTES[method as keyof typeof KEY_BYTES] : undefined;
  if (bytes === undefined) return credential;
  return `${serverKey}:${keyOf(credential, bytes)}`;
}

/** The credentials of a user at a node, in the terms that most formats share. */
export function loginOf(node: LinkedNode): { uuid?: string; password?: string } {
  const { credential, clientConfig } = node;
  switch (clientConfig.protocol) {
    case 'SHADOWSOCKS':
      return { password: shadowsocksPassword(node as NodeOf<'SHADOWSOCKS'>) };
    case 'VMESS':
    case 'VLESS':
      return { uuid: credential };
    case 'TUIC':
      return { uuid: credential, password: credential };
    default:
      return { password: credential };
  }
}

/** Host and port, with the brackets that an IPv6 address needs. */
export const hostPort = (address: string, port: number): string =>
  `${address.includes(':') ? `[${address}]` : address}:${port}`;

/** Removes what is null, undefined or an empty array, so that documents have no empty settings. */
export function compact(settings: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(settings).filter(
      ([, value]) => value != null && !(Array.isArray(value) && value.length === 0),
    ),
  );
}
