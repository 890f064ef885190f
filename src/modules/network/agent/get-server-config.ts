import type { Node, Prisma } from '../../../generated/prisma/client.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { DecryptionError } from '../../../platform/keys/secrets.ts';
import type { Services } from '../../../platform/services.ts';
import { openConfig } from '../protocols/private-config.ts';

/**
 * The configuration of a server for its agent: the enabled nodes, including their private parts.
 */
export interface ServerConfiguration {
  serverId: string;
  name: string;
  nodes: Prisma.JsonObject[];
}

type ConfigServices = Pick<Services, 'db' | 'log' | 'secrets'>;

/**
 * Leaves out nodes whose private part no configured key decrypts: an agent would start them without
 * their keys.
 *
 * @throws PlatformError UNAUTHENTICATED when the server was deleted
 */
export async function getServerConfig(
  services: ConfigServices,
  { serverId }: { serverId: string },
): Promise<ServerConfiguration> {
  const server = await services.db.server.findUnique({
    where: { id: serverId, deletedAt: null },
    include: {
      nodes: { where: { enabled: true, deletedAt: null }, orderBy: [{ sort: 'asc' }, { id: 'asc' }] },
    },
  });
  if (!server) throw new PlatformError('UNAUTHENTICATED');
  const { name, address } = server;
  return { serverId, name, nodes: server.nodes.flatMap((node) => configOf(services, node, address)) };
}

function configOf(services: ConfigServices, node: Node, serverAddress: string): Prisma.JsonObject[] {
  const { id, name, protocol, port, ratio, clientConfig } = node;
  try {
    const serverConfig = openConfig(services, node);
    const address = node.address ?? serverAddress;
    return [{ id, name, protocol, address, port, ratio: ratio.toNumber(), clientConfig, serverConfig }];
  } catch (err) {
    if (!(err instanceof DecryptionError)) throw err;
    services.log.error({ err, nodeId: id }, 'failed to decrypt the private config of a node');
    return [];
  }
}
