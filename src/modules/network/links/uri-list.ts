import { type LinkFormat, renderEach } from './link-format.ts';
import {
  compact,
  hostPort,
  type LinkedNode,
  type NodeOf,
  shadowsocksPassword,
  type Tls,
  type Transport,
  tlsOf,
  transportOf,
} from './node-settings.ts';

/** Base64 of one URI per line: v2rayN, v2rayNG, Shadowrocket, Hiddify and most others. */
export const uriList: LinkFormat = {
  name: 'uri',
  contentType: 'text/plain; charset=utf-8',
  extension: 'txt',
  isTemplate: false,
  render: ({ nodes }) => {
    const { rendered, leftOut } = renderEach(nodes, uriOf);
    return { text: Buffer.from(`${rendered.join('\n')}\n`).toString('base64'), leftOut };
  },
};

/** The URI of a node in the form that its protocol's clients have agreed on. */
export function uriOf(node: LinkedNode): string {
  switch (node.clientConfig.protocol) {
    case 'SHADOWSOCKS':
      return shadowsocksUri(node as NodeOf<'SHADOWSOCKS'>);
    case 'VMESS':
      return vmessUri(node as NodeOf<'VMESS'>);
    case 'VLESS':
      return vlessUri(node as NodeOf<'VLESS'>);
    case 'TROJAN':
      return uri('trojan', node, queryOf(node));
    case 'HYSTERIA2':
      return hysteria2Uri(node as NodeOf<'HYSTERIA2'>);
    case 'TUIC':
      return tuicUri(node as NodeOf<'TUIC'>);
    case 'ANYTLS':
      return uri('anytls', node, { sni: node.clientConfig.serverName, fp: node.clientConfig.fingerprint });
  }
}

function uri(
  scheme: string,
  { name, address, port, credential }: Pick<LinkedNode, 'name' | 'address' | 'port' | 'credential'>,
  query: Record<string, unknown>,
): string {
  const parameters = new URLSearchParams(compact(query) as Record<string, string>)
    .toString()
    // Form encoding, which these clients don't read.
    .replaceAll('+', '%20');
  const user = encodeURIComponent(credential);
  return `${scheme}://${user}@${hostPort(address, port)}${parameters && `?${parameters}`}#${encodeURIComponent(name)}`;
}

/** SIP002: base64url of method and password, except for the methods of 2022. */
function shadowsocksUri(node: NodeOf<'SHADOWSOCKS'>): string {
  const { method } = node.clientConfig;
  const password = shadowsocksPassword(node);
  const user = method.startsWith('2022-')
    ? `${method}:${encodeURIComponent(password)}`
    : Buffer.from(`${method}:${password}`).toString('base64url');
  return `ss://${user}@${hostPort(node.address, node.port)}#${encodeURIComponent(node.name)}`;
}

/** The form of v2rayN: base64 of JSON. */
function vmessUri({ name, address, port, credential, clientConfig }: NodeOf<'VMESS'>): string {
  const { network, path, host, serviceName, mode } = clientConfig;
  const tls = tlsOf(clientConfig);
  const content = {
    ...{ v: '2', ps: name, add: address, port: String(port), id: credential, aid: '0' },
    ...{ scy: clientConfig.security, net: network, type: typeOf({ network, mode }) },
    ...{ host: host ?? '', path: serviceName ?? path ?? '', tls: tls ? 'tls' : '' },
    ...{ sni: tls?.serverName ?? '', alpn: tls?.alpn.join() ?? '', fp: tls?.fingerprint ?? '' },
  };
  return `vmess://${Buffer.from(JSON.stringify(content)).toString('base64')}`;
}

function typeOf({ network, mode }: Pick<Transport, 'network' | 'mode'>): string {
  if (network === 'grpc') return 'gun';
  return network === 'xhttp' ? (mode ?? 'auto') : 'none';
}

const vlessUri = (node: NodeOf<'VLESS'>) =>
  uri('vless', node, { encryption: 'none', flow: node.clientConfig.flow, ...queryOf(node) });

function queryOf({ clientConfig }: LinkedNode): Record<string, unknown> {
  return { ...transportQuery(transportOf(clientConfig)), ...tlsQuery(tlsOf(clientConfig)) };
}

function transportQuery(transport: Transport | null): Record<string, unknown> {
  if (!transport) return {};
  const { network, path, host, serviceName, mode } = transport;
  return { type: network, path, host, serviceName, mode };
}

function tlsQuery(tls: Tls | null): Record<string, unknown> {
  if (!tls) return { security: 'none' };
  const { serverName, alpn, fingerprint, reality } = tls;
  return {
    ...{ security: reality ? 'reality' : 'tls', sni: serverName, fp: fingerprint },
    ...{ alpn: alpn.length > 0 ? alpn.join() : null, pbk: reality?.publicKey, sid: reality?.shortId },
  };
}

function hysteria2Uri(node: NodeOf<'HYSTERIA2'>): string {
  const { serverName, obfs, obfsPassword, ports, certificateSha256 } = node.clientConfig;
  return uri('hysteria2', node, {
    ...{ sni: serverName, obfs, 'obfs-password': obfsPassword, pinSHA256: certificateSha256 },
    // Clients that do not know it use the one port.
    mport: ports,
  });
}

function tuicUri(node: NodeOf<'TUIC'>): string {
  const { serverName, alpn, congestionControl, udpRelayMode } = node.clientConfig;
  const query = {
    ...{ sni: serverName, alpn: alpn.length > 0 ? alpn.join() : null },
    ...{ congestion_control: congestionControl, udp_relay_mode: udpRelayMode },
  };
  const { credential } = node;
  return uri('tuic', node, query).replace(`//${credential}@`, `//${credential}:${credential}@`);
}
