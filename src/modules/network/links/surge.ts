import { type LinkFormat, renderEach, uniqueNames } from './link-format.ts';
import {
  type LinkedNode,
  type NodeOf,
  shadowsocksPassword,
  type Tls,
  type Transport,
  tlsOf,
  transportOf,
} from './node-settings.ts';

/** A configuration file of Surge and Surfboard. */
export const surge: LinkFormat = {
  name: 'surge',
  contentType: 'text/plain; charset=utf-8',
  extension: 'conf',
  isTemplate: true,
  userAgent: /surge|surfboard/i,
  template: {
    ...{ kind: 'LINES', direct: 'DIRECT' },
    entryOf: (node) => {
      const proxy = proxyOf(node);
      return proxy && { name: proxy.name, entry: `${proxy.name} = ${proxy.settings.join(', ')}` };
    },
  },
  render: ({ nodes }) => {
    const { rendered, leftOut } = renderEach(nodes, proxyOf);
    const names = uniqueNames(rendered.map(({ name }) => name));
    const lines = [
      ...['[Proxy]', ...rendered.map(({ settings }, at) => `${names[at]} = ${settings.join(', ')}`), ''],
      ...['[Proxy Group]', `Proxy = select, ${[...names, 'DIRECT'].join(', ')}`, ''],
      ...['[Rule]', 'FINAL,Proxy', ''],
    ];
    return { text: lines.join('\n'), leftOut };
  },
};

interface Proxy {
  name: string;
  settings: string[];
}

const UNKNOWN: readonly string[] = ['VLESS', 'TUIC', 'ANYTLS'];

/**
 * @returns null for what Surge does not have or names differently between versions: VLESS, TUIC,
 *   AnyTLS, gRPC, HTTPUpgrade, XHTTP and Reality
 */
function proxyOf(node: LinkedNode): Proxy | null {
  const { clientConfig } = node;
  const transport = transportOf(clientConfig);
  if (UNKNOWN.includes(clientConfig.protocol)) return null;
  if (transport && transport.network !== 'tcp' && transport.network !== 'ws') return null;
  const type = clientConfig.protocol === 'SHADOWSOCKS' ? 'ss' : clientConfig.protocol.toLowerCase();
  const settings = [
    ...[type, node.address, String(node.port)],
    ...ownSettings(node),
    ...tlsSettings(clientConfig.protocol === 'VMESS', tlsOf(clientConfig)),
    ...websocketSettings(transport),
  ];
  return { name: plainName(node.name), settings };
}

/** Names end at these characters, and cannot be quoted. */
const plainName = (name: string) =>
  name
    .replace(/[=,"'#;[\]]/g, ' ')
    .replace(/\s+/g, ' ')
    .trim() || 'Node';

const quoted = (value: string) => `"${value.replaceAll('"', '')}"`;

function ownSettings(node: LinkedNode): string[] {
  const { credential, clientConfig } = node;
  switch (clientConfig.protocol) {
    case 'SHADOWSOCKS': {
      const password = shadowsocksPassword(node as NodeOf<'SHADOWSOCKS'>);
      return [`encrypt-method=${clientConfig.method}`, `password=${quoted(password)}`, 'udp-relay=true'];
    }
    case 'VMESS':
      return [`username=${credential}`, 'vmess-aead=true'];
    case 'HYSTERIA2': {
      const { certificateSha256, downMbps } = clientConfig;
      return [
        `password=${credential}`,
        ...(downMbps === null ? [] : [`download-bandwidth=${downMbps}`]),
        ...(certificateSha256 ? [`server-cert-fingerprint-sha256=${certificateSha256}`] : []),
      ];
    }
    default:
      return [`password=${credential}`];
  }
}

function tlsSettings(isOptional: boolean, tls: Tls | null): string[] {
  if (!tls) return [];
  return [...(isOptional ? ['tls=true'] : []), ...(tls.serverName ? [`sni=${tls.serverName}`] : [])];
}

function websocketSettings(transport: Transport | null): string[] {
  if (transport?.network !== 'ws') return [];
  const { path, host } = transport;
  return [
    'ws=true',
    ...(path ? [`ws-path=${quoted(path)}`] : []),
    ...(host ? [`ws-headers=Host:${quoted(host)}`] : []),
  ];
}
