import { stringify } from 'yaml';
import { type LinkFormat, renderEach } from './link-format.ts';
import {
  compact,
  type LinkedNode,
  type NodeOf,
  shadowsocksPassword,
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
  userAgent: /clash|mihomo|stash|verge|flclash/i,
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
    ...ownSettings(node),
    ...tlsSettings(clientConfig.protocol, tlsOf(clientConfig)),
    ...transportSettings(transport),
  };
  return { ...compact(settings), name };
}

const TYPES = {
  ...{ SHADOWSOCKS: 'ss', VMESS: 'vmess', VLESS: 'vless', TROJAN: 'trojan', HYSTERIA2: 'hysteria2' },
  ...{ TUIC: 'tuic', ANYTLS: 'anytls' },
} as const;

function ownSettings(node: LinkedNode): Record<string, unknown> {
  const { credential, clientConfig } = node;
  switch (clientConfig.protocol) {
    case 'SHADOWSOCKS':
      return { cipher: clientConfig.method, password: shadowsocksPassword(node as NodeOf<'SHADOWSOCKS'>) };
    case 'VMESS':
      return { uuid: credential, alterId: 0, cipher: clientConfig.security };
    case 'VLESS':
      return { uuid: credential, flow: clientConfig.flow };
    case 'TROJAN':
    case 'ANYTLS':
      return { password: credential };
    case 'TUIC':
      return {
        ...{ uuid: credential, password: credential },
        ...{
          'congestion-controller': clientConfig.congestionControl,
          'udp-relay-mode': clientConfig.udpRelayMode,
        },
      };
    case 'HYSTERIA2':
      return {
        ...{ password: credential, ports: clientConfig.ports, obfs: clientConfig.obfs },
        ...{ 'obfs-password': clientConfig.obfsPassword, fingerprint: clientConfig.certificateSha256 },
        up: megabits(clientConfig.upMbps),
        down: megabits(clientConfig.downMbps),
      };
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
