import type { Device, Session } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import { type Page, type PageArguments, paginate } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';

/** Lists the sessions of a user that are neither revoked nor expired, newest first. */
export async function listSessions(
  services: Pick<Services, 'db' | 'secrets'>,
  { userId, page }: { userId: string; page: PageArguments },
): Promise<Page<Session & { device: Device | null }>> {
  const { session } = services.db;
  const where = { userId, revokedAt: null, expiresAt: { gt: await databaseNow(services.db) } };
  return paginate(services, page, {
    name: 'sessions',
    order: 'desc',
    find: (window) =>
      session.findMany({ ...window, where: { AND: [where, window.where] }, include: { device: true } }),
    count: () => session.count({ where }),
  });
}
