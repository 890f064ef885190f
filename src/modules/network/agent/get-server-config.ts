import type { Prisma } from '../../../generated/prisma/client.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';

/**
 * The configuration of a server for its agent: the enabled nodes, including their private parts.
 */
export interface ServerConfiguration {
  serverId: string;
  name: string;
  nodes: Prisma.JsonObject[];
}

/** @throws PlatformError UNAUTHENTICATED when the server was deleted */
export async function getServerConfig(
  { db }: Pick<Services, 'db'>,
  { serverId }: { serverId: string },
): Promise<ServerConfiguration> {
  const server = await db.server.findUnique({
    where: { id: serverId, deletedAt: null },
    include: {
      nodes: { where: { enabled: true, deletedAt: null }, orderBy: [{ sort: 'asc' }, { id: 'asc' }] },
    },
  });
  if (!server) throw new PlatformError('UNAUTHENTICATED');
  return {
    serverId,
    name: server.name,
    nodes: server.nodes.map(({ id, name, protocol, address, port, ratio, clientConfig, serverConfig }) => ({
      ...{ id, name, protocol, address: address ?? server.address, port, ratio: ratio.toNumber() },
      ...{ clientConfig, serverConfig },
    })),
  };
}
