import type { Ad, Prisma } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import { createReadCoalescer } from '../../../platform/database/read-coalescer.ts';
import { type Page, type PageArguments, paginate } from '../../../platform/pagination/page.ts';
import { required } from '../../../platform/required.ts';
import type { Services } from '../../../platform/services.ts';

type ListServices = Pick<Services, 'db' | 'secrets'>;

export interface AdReads {
  /**
   * Lists the ads that apps show now, newest first: enabled, and from `startAt` until before
   * `endAt`. Concurrent calls for the same page share its statements.
   */
  listActiveAds: (page: PageArguments) => Promise<Page<Ad>>;
}

/** Call once per process: only reads through the same instance are shared. */
export function createAdReads(services: ListServices): AdReads {
  const readPage = createReadCoalescer(async (keys) => {
    const pages = new Map<string, Page<Ad>>();
    for (const key of keys) pages.set(key, await readActiveAds(services, JSON.parse(key) as PageArguments));
    return pages;
  });
  return {
    listActiveAds: async ({ first, after, last, before }) =>
      required(await readPage(JSON.stringify({ first, after, last, before })), 'page of ads'),
  };
}

async function readActiveAds(services: ListServices, page: PageArguments): Promise<Page<Ad>> {
  const now = await databaseNow(services.db);
  const where: Prisma.AdWhereInput = {
    enabled: true,
    AND: [
      { OR: [{ startAt: null }, { startAt: { lte: now } }] },
      { OR: [{ endAt: null }, { endAt: { gt: now } }] },
    ],
  };
  let total: Promise<number> | undefined;
  const count = () => {
    total ??= services.db.ad.count({ where });
    return total;
  };
  return listAds(services, { name: 'ads', where, page, count });
}

/** Lists all advertisements, including disabled, future and past ones, newest first. */
export function listAllAds(services: ListServices, page: PageArguments): Promise<Page<Ad>> {
  return listAds(services, { name: 'allAds', where: {}, page, count: () => services.db.ad.count() });
}

function listAds(
  services: ListServices,
  {
    name,
    where,
    page,
    count,
  }: { name: string; where: Prisma.AdWhereInput; page: PageArguments; count: () => Promise<number> },
): Promise<Page<Ad>> {
  return paginate(services, page, {
    name,
    order: 'desc',
    find: (window) => services.db.ad.findMany({ ...window, where: { AND: [where, window.where] } }),
    count,
  });
}
