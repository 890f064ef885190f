import type { Services } from '../../../platform/services.ts';
import { publicConfig } from '../protocols/node-config.ts';
import type { PublicConfig } from '../protocols/protocols.ts';
import type { NodeProgram } from './node-of-program.ts';
import { destinationOf, INTERVALS, type PrivatePart, privatePartOf } from './private-part.ts';

type ConfigOf<Protocol extends PublicConfig['protocol']> = Extract<PublicConfig, { protocol: Protocol }>;

/**
 * The configuration of a node in the form of V2board's UniProxy. Certificates are not part of that
 * form: these programs have their own.
 *
 * @returns null if the stored configuration is invalid for its protocol
 */
export async function programConfig(
  services: Pick<Services, 'db' | 'secrets'>,
  { nodeId }: Pick<NodeProgram, 'nodeId'>,
): Promise<object | null> {
  const node = await services.db.node.findUnique({ where: { id: nodeId }, include: { server: true } });
  if (!node) return null;
  const config = publicConfig(node.protocol, node.clientConfig);
  if (!config) return null;
  return {
    ...{ server_port: node.port, host: node.address ?? node.server.address },
    ...settingsOf(config, privatePartOf(services, node)),
    ...{ base_config: INTERVALS, routes: [] },
  };
}

const settingsOf = (config: PublicConfig, privatePart: PrivatePart): object =>
  // TypeScript cannot correlate the config with the function of its protocol.
  SETTINGS[config.protocol](config as never, privatePart);

const SETTINGS: {
  [Name in PublicConfig['protocol']]: (config: ConfigOf<Name>, privatePart: PrivatePart) => object;
} = {
  SHADOWSOCKS: ({ method, serverKey }) => ({
    ...{ cipher: method, server_key: serverKey ?? '', obfs: null, obfs_settings: null },
  }),
  VMESS: (config) => ({
    ...transportOf(config),
    ...{ tls: config.tls ? 1 : 0, tls_settings: namedServer(config) },
  }),
  VLESS: (config, privatePart) => ({
    ...transportOf(config),
    ...{ tls: TLS[config.security], flow: config.flow ?? '', tls_settings: vlessTls(config, privatePart) },
  }),
  TROJAN: (config) => ({ ...transportOf(config), ...namedServer(config) }),
  HYSTERIA2: (config) => ({
    ...namedServer(config),
    ...{ version: 2, obfs: config.obfs, 'obfs-password': config.obfsPassword },
    ...{ up_mbps: config.upMbps ?? 0, down_mbps: config.downMbps ?? 0 },
  }),
  TUIC: (config) => ({
    ...namedServer(config),
    ...{ congestion_control: config.congestionControl, udp_relay_mode: config.udpRelayMode },
    zero_rtt_handshake: false,
  }),
  ANYTLS: (config, { paddingScheme }) => ({ ...namedServer(config), padding_scheme: paddingScheme ?? [] }),
};

const TLS = { none: 0, tls: 1, reality: 2 } as const;

const namedServer = ({ serverName }: { serverName: string | null }) => ({ server_name: serverName ?? '' });

function vlessTls(config: ConfigOf<'VLESS'>, privatePart: PrivatePart): object {
  if (config.security !== 'reality') return namedServer(config);
  const { host, port } = destinationOf(privatePart);
  return {
    ...namedServer(config),
    ...{
      dest: host,
      server_port: port,
      private_key: privatePart.privateKey ?? '',
      short_id: config.shortId ?? '',
    },
  };
}

/** Named as in the configuration of V2Ray. */
function transportOf({
  network,
  path,
  host,
  serviceName,
  mode,
}: ConfigOf<'TROJAN' | 'VMESS' | 'VLESS'>): object {
  const headers = host === null ? {} : { headers: { Host: host } };
  switch (network) {
    case 'ws':
      return { network, networkSettings: { path: path ?? '/', ...headers } };
    case 'grpc':
      return { network, networkSettings: { serviceName } };
    case 'httpupgrade':
    case 'xhttp':
      return { network, networkSettings: { path: path ?? '/', host: host ?? '', ...(mode && { mode }) } };
    default:
      return { network, networkSettings: {} };
  }
}
