import type { Node, Protocol } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';
import { publicConfig } from '../protocols/node-config.ts';
import type { PublicConfig } from '../protocols/protocols.ts';
import type { NodeProgram } from '../uniproxy/node-of-program.ts';
import { destinationOf, INTERVALS, type PrivatePart, privatePartOf } from '../uniproxy/private-part.ts';

/** A protocol of a server, in the form of PPanel. */
export type PanelProtocol = Record<string, unknown> & { type: string };

type ConfigServices = Pick<Services, 'db' | 'secrets'>;

/**
 * The node of a server that a program means, which names nodes by server and protocol: the numbered
 * one if it has the protocol, else the first one that has it.
 *
 * @returns null if the server has none
 */
export async function programForProtocol(
  { db }: Pick<Services, 'db'>,
  program: NodeProgram,
  name: string,
): Promise<NodeProgram | null> {
  const protocol = PROTOCOLS[name.toLowerCase()];
  if (protocol === undefined) return null;
  const nodes = await db.node.findMany({
    where: { serverId: program.agent.serverId, protocol, enabled: true, deletedAt: null },
    orderBy: [{ sort: 'asc' }, { id: 'asc' }],
    select: { id: true },
  });
  const node = nodes.find(({ id }) => id === program.nodeId) ?? nodes[0];
  return node ? { ...program, nodeId: node.id } : null;
}

const PROTOCOLS: Readonly<Record<string, Protocol>> = {
  ...{ shadowsocks: 'SHADOWSOCKS', vmess: 'VMESS', vless: 'VLESS', trojan: 'TROJAN' },
  ...{ hysteria: 'HYSTERIA2', hysteria2: 'HYSTERIA2', tuic: 'TUIC', anytls: 'ANYTLS' },
};

/** All protocols of the server of a program. */
export async function readPanelServer(services: ConfigServices, { agent }: NodeProgram): Promise<object> {
  const nodes = await services.db.node.findMany({
    where: { serverId: agent.serverId, enabled: true, deletedAt: null },
    orderBy: [{ sort: 'asc' }, { id: 'asc' }],
  });
  const protocols = nodes.flatMap((node) => protocolOf(services, node) ?? []);
  return {
    ...{ ...INTERVALS, traffic_report_threshold: 0, ip_strategy: 'prefer_ipv4' },
    ...{ dns: [], block: [], outbound: [], protocols, total: protocols.length },
  };
}

/** @returns null if the node is gone, or its stored configuration is invalid for its protocol */
export async function readPanelNode(
  services: ConfigServices,
  { nodeId }: NodeProgram,
): Promise<object | null> {
  const node = await services.db.node.findUnique({ where: { id: nodeId } });
  const protocol = node && protocolOf(services, node);
  return protocol && { basic: INTERVALS, protocol: protocol.type, config: protocol };
}

function protocolOf(services: Pick<Services, 'secrets'>, node: Node): PanelProtocol | null {
  const config = publicConfig(node.protocol, node.clientConfig);
  if (!config) return null;
  const privatePart = privatePartOf(services, node);
  return {
    ...{ type: node.protocol.toLowerCase(), port: node.port, enable: true },
    ...{ security: securityOf(config), cert_mode: 'none' },
    ...('serverName' in config && { sni: config.serverName ?? '' }),
    ...('network' in config && transportOf(config)),
    ...ownFields(config, privatePart),
  };
}

function securityOf(config: PublicConfig): string {
  switch (config.protocol) {
    case 'SHADOWSOCKS':
      return 'none';
    case 'VMESS':
      return config.tls ? 'tls' : 'none';
    case 'VLESS':
      return config.security;
    default:
      return 'tls';
  }
}

type WithTransport = Extract<PublicConfig, { protocol: 'TROJAN' | 'VMESS' | 'VLESS' }>;

const transportOf = ({ network, host, path, serviceName, mode }: Omit<WithTransport, 'protocol'>) => ({
  transport: network === 'ws' ? 'websocket' : network,
  ...{ host: host ?? '', path: path ?? '', service_name: serviceName ?? '', xhttp_mode: mode ?? '' },
});

function ownFields(config: PublicConfig, privatePart: PrivatePart): object {
  switch (config.protocol) {
    case 'SHADOWSOCKS':
      return { cipher: config.method, server_key: config.serverKey ?? '' };
    case 'VLESS':
      return {
        flow: config.flow ?? '',
        ...(config.security === 'reality' && realityOf(config, privatePart)),
      };
    case 'HYSTERIA2':
      return {
        ...{ up_mbps: config.upMbps ?? 0, down_mbps: config.downMbps ?? 0 },
        ...{ obfs_password: config.obfsPassword ?? '', hop_ports: config.ports ?? '' },
      };
    case 'TUIC':
      return { congestion_controller: config.congestionControl, udp_relay_mode: config.udpRelayMode };
    case 'ANYTLS':
      return { padding_scheme: (privatePart.paddingScheme ?? []).join('\n') };
    default:
      return {};
  }
}

function realityOf(
  { publicKey, shortId }: Extract<PublicConfig, { protocol: 'VLESS' }>,
  privatePart: PrivatePart,
): object {
  const { host, port } = destinationOf(privatePart);
  return {
    ...{ reality_server_addr: host, reality_server_port: Number(port) },
    ...{ reality_private_key: privatePart.privateKey ?? '', reality_public_key: publicKey ?? '' },
    reality_short_id: shortId ?? '',
  };
}
