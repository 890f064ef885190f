import type { Services } from '../../../platform/services.ts';
import { isConflict } from './node-listener.ts';

const MAX_LOGGED = 100;

/**
 * Names in the log the nodes of a server that share a port, as earlier versions accepted them. They
 * stay as they are, but the program on the server cannot serve both.
 *
 * @returns the ids of each pair
 */
export async function reportPortConflicts(
  services: Pick<Services, 'db' | 'secrets' | 'log'>,
): Promise<[string, string][]> {
  const shared = await services.db.$queryRaw<{ ids: string[] }[]>`
    SELECT array_agg(id ORDER BY id) AS ids FROM nodes WHERE enabled AND deleted_at IS NULL
    GROUP BY server_id, port HAVING count(*) > 1`;
  const nodes = await services.db.node.findMany({ where: { id: { in: shared.flatMap(({ ids }) => ids) } } });
  const byId = new Map(nodes.map((node) => [node.id, node]));
  const pairs = shared
    .flatMap(({ ids }) => pairsOf(ids))
    .filter(([one, other]) => {
      const [node, second] = [byId.get(one), byId.get(other)];
      return node && second && isConflict(services, node, second);
    });
  if (pairs.length > 0) {
    const nodes = pairs.slice(0, MAX_LOGGED);
    services.log.warn({ count: pairs.length, nodes }, 'nodes of one server listen on the same port');
  }
  return pairs;
}

function pairsOf(ids: readonly string[]): [string, string][] {
  return ids.flatMap((one, index) => ids.slice(index + 1).map((other): [string, string] => [one, other]));
}
