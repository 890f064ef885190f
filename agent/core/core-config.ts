import type { Settings } from '../settings.ts';
import { type CoreNode, emailOf, type NodeUser } from './nodes.ts';

/** Closes a connection on which nothing is sent for this time. */
const IDLE_SECONDS = 300;

export interface CoreConfigInput {
  nodes: readonly CoreNode[];
  users: readonly NodeUser[];
  apiPort: number;
  accessLog: string;
  certificate: Settings['certificate'];
}

/** Builds the configuration file of a core, with the users that it admits from the start. */
export function coreConfig({ nodes, users, apiPort, accessLog, ...rest }: CoreConfigInput): object {
  return {
    log: { loglevel: 'warning', access: accessLog },
    api: { tag: 'api', services: ['HandlerService', 'StatsService'] },
    stats: {},
    policy: { levels: { 0: { statsUserUplink: true, statsUserDownlink: true, connIdle: IDLE_SECONDS } } },
    routing: { rules: [{ type: 'field', inboundTag: ['api'], outboundTag: 'api' }] },
    inbounds: [
      {
        ...{ tag: 'api', listen: '127.0.0.1', port: apiPort, protocol: 'dokodemo-door' },
        settings: { address: '127.0.0.1' },
      },
      ...nodes.map((node) =>
        inboundOf(
          node,
          users.filter(({ nodeId }) => nodeId === node.id),
          rest,
        ),
      ),
    ],
    outbounds: [{ tag: 'direct', protocol: 'freedom' }],
  };
}

type InboundOptions = Pick<CoreConfigInput, 'certificate'>;

function inboundOf(node: CoreNode, users: readonly NodeUser[], options: InboundOptions): object {
  const { id, port, protocol, serverConfig } = node;
  const listen = serverConfig?.listen;
  return {
    ...{ tag: id, port, protocol: protocol.toLowerCase(), ...(listen && { listen }) },
    settings: settingsOf(node, users),
    ...streamOf(node, options),
  };
}

function settingsOf(node: CoreNode, users: readonly NodeUser[]): object {
  const named = (fields: (user: NodeUser) => object) =>
    users.map((user) => ({ ...fields(user), email: emailOf(user), level: 0 }));
  switch (node.protocol) {
    case 'VMESS':
      return { clients: named(({ credential }) => ({ id: credential, alterId: 0 })) };
    case 'VLESS': {
      const { flow } = node.clientConfig;
      const clients = named(({ credential }) => ({ id: credential, ...(flow && { flow }) }));
      return { clients, decryption: 'none' };
    }
    case 'SHADOWSOCKS': {
      const { method } = node.clientConfig;
      return { clients: named(({ credential }) => ({ password: credential, method })), network: 'tcp,udp' };
    }
    default:
      return { clients: named(({ credential }) => ({ password: credential })) };
  }
}

function streamOf(node: CoreNode, options: InboundOptions): object {
  if (node.protocol === 'SHADOWSOCKS') return {};
  const { network = 'tcp' } = node.clientConfig;
  return { streamSettings: { network, ...securityOf(node, options), ...transportOf(node) } };
}

function securityOf(node: CoreNode, { certificate }: InboundOptions): object {
  const { security, tls, serverName, alpn = [] } = node.clientConfig;
  const serverConfig = node.serverConfig ?? {};
  if (security === 'reality') {
    const { destination, privateKey, shortIds } = serverConfig;
    const realitySettings = { dest: destination, serverNames: [serverName], privateKey, shortIds };
    return { security: 'reality', realitySettings };
  }
  if (node.protocol !== 'TROJAN' && !tls && security !== 'tls') return { security: 'none' };
  const own = serverConfig.certificate && {
    certificate: serverConfig.certificate.trim().split('\n'),
    key: (serverConfig.privateKey ?? '').trim().split('\n'),
  };
  const tlsSettings = { certificates: [own || certificate], ...(alpn.length > 0 && { alpn }) };
  return { security: 'tls', tlsSettings };
}

/** Whether a node needs a certificate that neither it nor the settings have. */
export function lacksCertificate(node: CoreNode, certificate: Settings['certificate']): boolean {
  const { security, tls } = node.clientConfig;
  const usesTls = node.protocol === 'TROJAN' || tls === true || security === 'tls';
  return usesTls && !node.serverConfig?.certificate && certificate === undefined;
}

function transportOf({ clientConfig: { network, path, host, serviceName, mode } }: CoreNode): object {
  switch (network) {
    case 'ws':
      return { wsSettings: { path: path ?? '/' } };
    case 'grpc':
      return { grpcSettings: { serviceName } };
    case 'httpupgrade':
      return { httpupgradeSettings: { path: path ?? '/', ...(host && { host }) } };
    case 'xhttp':
      return { xhttpSettings: { path: path ?? '/', ...(host && { host }), ...(mode && { mode }) } };
    default:
      return {};
  }
}
