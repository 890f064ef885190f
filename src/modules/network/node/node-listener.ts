import type { Node } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { type Layer, layersOf } from '../protocols/layers.ts';
import { readableConfig } from './node-fields.ts';

/** The address and layers that a node occupies on its server. */
interface Listener {
  /** Null to listen on all addresses. */
  listen: string | null;
  layers: readonly Layer[];
}

type Listening = Pick<
  Node,
  'id' | 'name' | 'serverId' | 'protocol' | 'port' | 'enabled' | 'clientConfig' | 'serverConfig'
>;
type Secrets = Pick<Services, 'secrets'>;

/**
 * Refuses a node that would listen where another enabled node of its server does: the program
 * there could not start. Called under the lock on node lists, so that concurrent calls cannot take
 * the same port.
 *
 * @throws PlatformError BAD_USER_INPUT naming the other node
 */
export async function checkPort(
  services: Secrets,
  tx: Pick<Transaction, 'node'>,
  node: Listening,
): Promise<void> {
  if (!node.enabled) return;
  const { id, serverId, port } = node;
  const others = await tx.node.findMany({
    where: { serverId, port, enabled: true, deletedAt: null, id: { not: id } },
    orderBy: { id: 'asc' },
  });
  const other = others.find((candidate) => isConflict(services, node, candidate));
  if (!other) return;
  const used = `input.port: ${port} is used by the node "${other.name}" (${other.id}) of this server`;
  const message = `${used}; choose another port, or another serverConfig.listen for both`;
  throw new PlatformError('BAD_USER_INPUT', { field: 'input.port', message });
}

/** Whether an edit changes what the node occupies; others are accepted on an occupied port too. */
export function isListenerChanged(services: Secrets, before: Listening, after: Listening): boolean {
  if (before.port !== after.port || before.enabled !== after.enabled) return true;
  const [old, now] = [listenerOf(services, before), listenerOf(services, after)];
  return old.listen !== now.listen || old.layers.join() !== now.layers.join();
}

/** Whether two nodes of the same server and port cannot both listen. */
export function isConflict(services: Secrets, one: Listening, other: Listening): boolean {
  const [a, b] = [listenerOf(services, one), listenerOf(services, other)];
  return a.layers.some((layer) => b.layers.includes(layer)) && isOverlapping(a.listen, b.listen);
}

function listenerOf(services: Secrets, node: Listening): Listener {
  const config = readableConfig(services, node) as { listen?: string | null } | null;
  return {
    listen: config?.listen?.toLowerCase() ?? null,
    layers: layersOf(node.protocol, node.clientConfig),
  };
}

function isOverlapping(one: string | null, other: string | null): boolean {
  return one === other || includes(one, other) || includes(other, one);
}

function includes(wider: string | null, address: string | null): boolean {
  if (wider === null || wider === '::') return true;
  return wider === '0.0.0.0' && !address?.includes(':');
}
