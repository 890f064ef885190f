import type { Node, Protocol } from '../../../generated/prisma/client.ts';
import { checkId } from '../../../platform/input.ts';
import { type Page, type PageArguments, paginate } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';

/** All given conditions must hold; null and absent ones are ignored. */
export interface NodeListFilter {
  serverId?: string | null;
  tag?: string | null;
  protocol?: Protocol | null;
  enabled?: boolean | null;
}

/** Lists nodes that are not deleted, newest first. */
export function listNodes(
  services: Pick<Services, 'db' | 'secrets'>,
  { filter, page }: { filter: NodeListFilter; page: PageArguments },
): Promise<Page<Node>> {
  const { serverId, tag, protocol, enabled } = filter;
  const where = {
    deletedAt: null,
    ...(serverId && { serverId: checkId(serverId) }),
    ...(tag && { tags: { has: tag.trim() } }),
    ...(protocol && { protocol }),
    ...(enabled != null && { enabled }),
  };
  return paginate(services, page, {
    name: 'nodes',
    order: 'desc',
    find: (window) => services.db.node.findMany({ ...window, where: { ...where, ...window.where } }),
    count: () => services.db.node.count({ where }),
  });
}
