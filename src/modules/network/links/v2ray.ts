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

/** Programs with the same form of configuration, which know different protocols. */
type Program = 'v2ray' | 'xray';

const jsonFor = (program: Program): LinkFormat => ({
  name: program,
  contentType: 'application/json; charset=utf-8',
  extension: 'json',
  isTemplate: true,
  template: {
    ...{ kind: 'JSON', direct: 'direct' },
    entryOf: (node) => (isKnownTo(program, node) ? { name: node.name, entry: outboundOf(node) } : null),
  },
  render: ({ nodes }) => {
    const { rendered, leftOut } = renderEach(nodes, (node) =>
      isKnownTo(program, node) ? outboundOf(node) : null,
    );
    const document = {
      log: { loglevel: 'warning' },
      inbounds: [
        { tag: 'socks', listen: '127.0.0.1', port: 1080, protocol: 'socks', settings: { udp: true } },
        { tag: 'http', listen: '127.0.0.1', port: 1081, protocol: 'http' },
      ],
      // The first one is used unless a rule says otherwise.
      outbounds: [...rendered, { tag: 'direct', protocol: 'freedom' }],
    };
    return { text: `${JSON.stringify(document, null, 2)}\n`, leftOut };
  },
});

/** JSON for V2Fly's v2ray from 4.34 on. The first node is used. */
export const v2ray = jsonFor('v2ray');

/** JSON for Xray. The first node is used. */
export const xray = jsonFor('xray');

const HAS_OTHER_PROGRAMS: readonly string[] = ['HYSTERIA2', 'TUIC', 'ANYTLS'];

function isKnownTo(program: Program, { clientConfig }: LinkedNode): boolean {
  if (HAS_OTHER_PROGRAMS.includes(clientConfig.protocol)) return false;
  if (program === 'xray') return true;
  if (clientConfig.protocol === 'SHADOWSOCKS') return !clientConfig.method.startsWith('2022-');
  const transport = transportOf(clientConfig);
  const isPlain = transport?.network === 'tcp' || transport?.network === 'ws';
  if (clientConfig.protocol !== 'VLESS') return isPlain;
  return isPlain && clientConfig.security !== 'reality' && clientConfig.flow === null;
}

function outboundOf(node: LinkedNode): Record<string, unknown> {
  const { name, clientConfig } = node;
  return compact({
    ...{ tag: name, protocol: clientConfig.protocol.toLowerCase(), settings: settingsOf(node) },
    streamSettings: streamOf(tlsOf(clientConfig), transportOf(clientConfig)),
  });
}

function settingsOf(node: LinkedNode): Record<string, unknown> {
  const { address, port, credential, clientConfig } = node;
  switch (clientConfig.protocol) {
    case 'VMESS': {
      const { security } = clientConfig;
      const user = { id: credential, alterId: 0, security };
      return { vnext: [{ address, port, users: [user] }] };
    }
    case 'VLESS': {
      const user = compact({ id: credential, encryption: 'none', flow: clientConfig.flow });
      return { vnext: [{ address, port, users: [user] }] };
    }
    case 'SHADOWSOCKS': {
      const { method } = clientConfig;
      const password = shadowsocksPassword(node as NodeOf<'SHADOWSOCKS'>);
      return { servers: [{ address, port, method, password }] };
    }
    default:
      return { servers: [{ address, port, password: credential }] };
  }
}

function streamOf(tls: Tls | null, transport: Transport | null): Record<string, unknown> | null {
  if (!transport) return null;
  return compact({ network: transport.network, ...securitySettings(tls), ...networkSettings(transport) });
}

function securitySettings(tls: Tls | null): Record<string, unknown> {
  if (!tls) return { security: 'none' };
  const { serverName, alpn, fingerprint, reality } = tls;
  if (!reality)
    return { security: 'tls', tlsSettings: compact({ serverName, alpn: [...alpn], fingerprint }) };
  // Reality needs the imitation of a browser.
  const realitySettings = { serverName, fingerprint: fingerprint ?? 'chrome', ...reality };
  return { security: 'reality', realitySettings };
}

function networkSettings({ network, path, host, serviceName, mode }: Transport): Record<string, unknown> {
  switch (network) {
    case 'tcp':
      return {};
    case 'ws':
      return { wsSettings: compact({ path, headers: host === null ? null : { Host: host } }) };
    case 'grpc':
      return { grpcSettings: { serviceName } };
    case 'httpupgrade':
      return { httpupgradeSettings: compact({ path, host }) };
    case 'xhttp':
      return { xhttpSettings: compact({ path, host, mode }) };
  }
}
