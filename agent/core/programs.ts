import type { CoreNode } from './nodes.ts';

export type ProgramName = 'v2ray' | 'xray';

/** What differs between the cores. */
export interface Program {
  /** Prefix of the packages of its gRPC services. */
  prefix: string;
  /** Its command with a configuration file. */
  argsFor: (configFile: string) => string[];
  /** Numbers of its enum CipherType by method of Shadowsocks. */
  ciphers: Readonly<Record<string, number>>;
  /** Whether one inbound of Shadowsocks has many users. */
  hasShadowsocksUsers: boolean;
  /** Why it cannot serve a node; null if it can. */
  refusal: (node: CoreNode) => string | null;
}

const OTHER_PROGRAMS = ['HYSTERIA2', 'TUIC', 'ANYTLS'];

function refusalOfV2ray({ protocol, clientConfig }: CoreNode): string | null {
  if (OTHER_PROGRAMS.includes(protocol)) return `v2ray does not support ${protocol}`;
  const { network, security, flow, method } = clientConfig;
  if (security === 'reality' || flow) return 'v2ray does not support Reality and Vision';
  if (network !== undefined && !['tcp', 'ws'].includes(network)) return `v2ray does not support ${network}`;
  if (method?.startsWith('2022-')) return 'v2ray does not support Shadowsocks 2022';
  if (method === 'xchacha20-ietf-poly1305') return `v2ray does not support ${method}`;
  return null;
}

function refusalOfXray({ protocol, clientConfig }: CoreNode): string | null {
  if (OTHER_PROGRAMS.includes(protocol)) return `Xray does not support ${protocol}`;
  // Its API cannot change the users of these nodes.
  return clientConfig.method?.startsWith('2022-') ? 'this agent does not support Shadowsocks 2022' : null;
}

export const PROGRAMS: Readonly<Record<ProgramName, Program>> = {
  v2ray: {
    prefix: 'v2ray.core',
    argsFor: (file) => ['-config', file],
    ciphers: { 'aes-128-gcm': 1, 'aes-256-gcm': 2, 'chacha20-ietf-poly1305': 3 },
    hasShadowsocksUsers: false,
    refusal: refusalOfV2ray,
  },
  xray: {
    prefix: 'xray',
    argsFor: (file) => ['run', '-config', file],
    ciphers: {
      ...{ 'aes-128-gcm': 5, 'aes-256-gcm': 6 },
      ...{ 'chacha20-ietf-poly1305': 7, 'xchacha20-ietf-poly1305': 8 },
    },
    hasShadowsocksUsers: true,
    refusal: refusalOfXray,
  },
};
