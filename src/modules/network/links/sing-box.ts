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

const [SELECTED, FASTEST, DIRECT] = ['proxy', 'fastest', 'direct'];

/** JSON for sing-box from 1.8 on, and the apps that contain it. */
export const singBox: LinkFormat = {
  name: 'sing-box',
  contentType: 'application/json; charset=utf-8',
  extension: 'json',
  isTemplate: true,
  userAgent: /sing-?box|\bSF[AIMT]\b/i,
  template: {
    ...{ kind: 'JSON', direct: DIRECT },
    entryOf: (node) => {
      const entry = outboundOf(node);
      return entry && { name: entry.tag, entry };
    },
  },
  render: ({ nodes }) => {
    const { rendered, leftOut } = renderEach(nodes, outboundOf);
    const tags = rendered.map(({ tag }) => tag);
    const fastest = tags.length > 0 ? [{ type: 'urltest', tag: FASTEST, outbounds: tags }] : [];
    const choices = [...fastest.map(({ tag }) => tag), ...tags, DIRECT];
    const document = {
      inbounds: [{ type: 'mixed', tag: 'local', listen: '127.0.0.1', listen_port: 2080 }],
      outbounds: [
        { type: 'selector', tag: SELECTED, outbounds: choices },
        ...fastest,
        ...rendered,
        { type: 'direct', tag: DIRECT },
      ],
      route: { final: SELECTED, auto_detect_interface: true },
    };
    return { text: `${JSON.stringify(document, null, 2)}\n`, leftOut };
  },
};

interface Outbound extends Record<string, unknown> {
  tag: string;
}

/** @returns null for the transport XHTTP, which sing-box does not have */
function outboundOf(node: LinkedNode): Outbound | null {
  const { name, address, port, clientConfig } = node;
  const transport = transportOf(clientConfig);
  if (transport?.network === 'xhttp') return null;
  const settings = {
    ...{ type: clientConfig.protocol.toLowerCase(), tag: name, server: address, server_port: port },
    ...loginOf(node),
    ...ownSettings(clientConfig),
    ...{ tls: tlsSettings(tlsOf(clientConfig)), transport: transportSettings(transport) },
  };
  return { ...compact(settings), tag: name };
}

function ownSettings(config: PublicConfig): Record<string, unknown> {
  switch (config.protocol) {
    case 'SHADOWSOCKS':
      return { method: config.method };
    case 'VMESS':
      return { security: config.security };
    case 'VLESS':
      return { flow: config.flow };
    case 'TUIC':
      return { congestion_control: config.congestionControl, udp_relay_mode: config.udpRelayMode };
    case 'HYSTERIA2':
      return {
        ...{
          up_mbps: config.upMbps,
          down_mbps: config.downMbps,
          server_ports: config.ports && portsOf(config.ports),
        },
        obfs: config.obfs && { type: config.obfs, password: config.obfsPassword },
      };
    default:
      return {};
  }
}

/** Each as a range: `443:443`. */
const portsOf = (ports: string): string[] =>
  ports.split(',').map((range) => (range.includes('-') ? range.replace('-', ':') : `${range}:${range}`));

function tlsSettings(tls: Tls | null): Record<string, unknown> | null {
  if (!tls) return null;
  const { serverName, alpn, fingerprint, reality } = tls;
  // Reality needs the imitation of a browser.
  const browser = fingerprint ?? (reality ? 'chrome' : null);
  return compact({
    ...{ enabled: true, server_name: serverName, alpn: [...alpn] },
    utls: browser && { enabled: true, fingerprint: browser },
    reality: reality && { enabled: true, public_key: reality.publicKey, short_id: reality.shortId },
  });
}

function transportSettings(transport: Transport | null): Record<string, unknown> | null {
  if (!transport || transport.network === 'tcp') return null;
  const { network, path, host, serviceName } = transport;
  if (network === 'grpc') return { type: 'grpc', service_name: serviceName };
  if (network === 'httpupgrade') return compact({ type: 'httpupgrade', path, host });
  return compact({ type: 'ws', path, headers: host === null ? null : { Host: host } });
}
