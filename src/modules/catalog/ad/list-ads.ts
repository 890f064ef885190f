import type { Ad, Prisma } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import { type Page, type PageArguments, paginate } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';

type ListServices = Pick<Services, 'db' | 'secrets'>;

/**
 * Lists the ads that apps show now, newest first: enabled, and from `startAt` until before `endAt`.
 */
export async function listActiveAds(services: ListServices, page: PageArguments): Promise<Page<Ad>> {
  const now = await databaseNow(services.db);
  const where: Prisma.AdWhereInput = {
    enabled: true,
    AND: [
      { OR: [{ startAt: null }, { startAt: { lte: now } }] },
      { OR: [{ endAt: null }, { endAt: { gt: now } }] },
    ],
  };
  return listAds(services, { name: 'ads', where, page });
}

/** Lists all advertisements, including disabled, future and past ones, newest first. */
export function listAllAds(services: ListServices, page: PageArguments): Promise<Page<Ad>> {
  return listAds(services, { name: 'allAds', where: {}, page });
}

function listAds(
  services: ListServices,
  { name, where, page }: { name: string; where: Prisma.AdWhereInput; page: PageArguments },
): Promise<Page<Ad>> {
  return paginate(services, page, {
    name,
    order: 'desc',
    find: (window) => services.db.ad.findMany({ ...window, where: { AND: [where, window.where] } }),
    count: () => services.db.ad.count({ where }),
  });
}
