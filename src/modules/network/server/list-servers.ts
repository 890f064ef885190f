import type { Server } from '../../../generated/prisma/client.ts';
import { type Page, type PageArguments, paginate } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';

/** Lists servers that are not deleted, newest first. */
export function listServers(
  services: Pick<Services, 'db' | 'secrets'>,
  page: PageArguments,
): Promise<Page<Server>> {
  const where = { deletedAt: null };
  return paginate(services, page, {
    name: 'servers',
    order: 'desc',
    find: (window) => services.db.server.findMany({ ...window, where: { AND: [where, window.where] } }),
    count: () => services.db.server.count({ where }),
  });
}
