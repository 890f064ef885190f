import type { Device } from '../../generated/prisma/client.ts';
import { type Page, type PageArguments, paginate } from '../../platform/page.ts';
import type { Services } from '../../platform/services.ts';

/** The devices of one account, the newest first. */
export function listDevices(
  services: Pick<Services, 'db' | 'secrets'>,
  { userId, page }: { userId: string; page: PageArguments },
): Promise<Page<Device>> {
  const where = { userId };
  return paginate(services, page, {
    name: 'devices',
    order: 'desc',
    find: (window) => services.db.device.findMany({ ...window, where: { ...where, ...window.where } }),
    count: () => services.db.device.count({ where }),
  });
}
