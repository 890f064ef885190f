import { stringify } from 'yaml';
import type { PublicConfig } from '../protocols/protocols.ts';
import { type LinkFormat, renderEach } from './link-format.ts';
import {
  compact,
  type LinkedNode,
  loginOf,
  type Tls,
  type Transport,
  tlsOf,
  transportOf,
} from './node-settings.ts';

const GROUP = 'Proxy';
const FASTEST = 'Fastest';

/** YAML for mihomo (Clash.Meta), Stash and programs that contain them. */
export const clash: LinkFormat = {
  name: 'clash',
  contentType: 'text/yaml; charset=utf-8',
  extension: 'yaml',
  isTemplate: true,
  userAgent: /clash|mihomo|stash|verge|flclash/i,
  template: {
    ...{ kind: 'YAML', direct: 'DIRECT' },
    entryOf: (node) => {
      const entry = proxyOf(node);
      return entry && { name: entry.name, entry };
    },
  },
  render: ({ nodes }) => {
    const { rendered, leftOut } = renderEach(nodes, proxyOf);
    const names = rendered.map(({ name }) => name);
    const document = {
      'mixed-port': 7890,
      mode: 'rule',
      proxies: rendered,
      'proxy-groups': [
        {
          name: GROUP,
          type: 'select',
          proxies: [...(names.length > 0 ? [FASTEST] : []), ...names, 'DIRECT'],
        },
        ...(names.length > 0
          ? [{ name: FASTEST, type: 'url-test', proxies: names, url: TEST_URL, interval: 300 }]
          : []),
      ],
      rules: [`MATCH,${GROUP}`],
    };
    return { text: stringify(document, { aliasDuplicateObjects: false, lineWidth: 0 }), leftOut };
  },
};

const TEST_URL = 'https://www.gstatic.com/generate_204';

interface Proxy extends Record<string, unknown> {
  name: string;
}

/** @returns null for the transport XHTTP, which mihomo does not have */
function proxyOf(node: LinkedNode): Proxy | null {
  const { name, address, port, clientConfig } = node;
  const transport = transportOf(clientConfig);
  if (transport?.network === 'xhttp') return null;
  const settings = {
    ...{ name, type: TYPES[clientConfig.protocol], server: address, port, udp: true },
    ...loginOf(node),
    ...ownSettings(clientConfig),
    ...tlsSettings(clientConfig.protocol, tlsOf(clientConfig)),
    ...transportSettings(transport),
  };
  return { ...compact(settings), name };
}

const TYPES = {
  ...{ SHADOWSOCKS: 'ss', VMESS: 'vmess', VLESS: 'vless', TROJAN: 'trojan', HYSTERIA2: 'hysteria2' },
  ...{ TUIC: 'tuic', ANYTLS: 'anytls' },
} as const;

function ownSettings(config: PublicConfig): Record<string, unknown> {
  switch (config.protocol) {
    case 'SHADOWSOCKS':
      return { cipher: config.method };
    case 'VMESS':
      return { alterId: 0, cipher: config.security };
    case 'VLESS':
      return { flow: config.flow };
    case 'TUIC':
      return { 'congestion-controller': config.congestionControl, 'udp-relay-mode': config.udpRelayMode };
    case 'HYSTERIA2':
      return {
        ...{ ports: config.ports, obfs: config.obfs, 'obfs-password': config.obfsPassword },
        ...{ up: megabits(config.upMbps), down: megabits(config.downMbps) },
        fingerprint: config.certificateSha256,
      };
    default:
      return {};
  }
}

const megabits = (mbps: number | null) => (mbps === null ? null : `${mbps} Mbps`);

function tlsSettings(protocol: keyof typeof TYPES, tls: Tls | null): Record<string, unknown> {
  if (!tls) return {};
  const { serverName, alpn, fingerprint, reality } = tls;
  // TLS is optional for the first two, which name the server in another way.
  const own =
    protocol === 'VMESS' || protocol === 'VLESS'
      ? { tls: true, servername: serverName }
      : { sni: serverName };
  return {
    ...own,
    ...{ alpn: [...alpn], 'client-fingerprint': fingerprint },
    'reality-opts': reality && { 'public-key': reality.publicKey, 'short-id': reality.shortId },
  };
}

function transportSettings(transport: Transport | null): Record<string, unknown> {
  if (!transport || transport.network === 'tcp') return {};
  const { network, path, host, serviceName } = transport;
  if (network === 'grpc') return { network, 'grpc-opts': { 'grpc-service-name': serviceName } };
  const headers = host === null ? null : { Host: host };
  const isUpgrade = network === 'httpupgrade' ? true : null;
  return { network: 'ws', 'ws-opts': compact({ path, headers, 'v2ray-http-upgrade': isUpgrade }) };
}
