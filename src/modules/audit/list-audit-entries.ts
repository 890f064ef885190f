import type { AuditEntry, Prisma } from '../../generated/prisma/client.ts';
import { checkId } from '../../platform/input.ts';
import { type Page, type PageArguments, paginate } from '../../platform/page.ts';
import type { Services } from '../../platform/services.ts';

interface Filter {
  actorId?: string | null;
  targetId?: string | null;
  action?: string | null;
  from?: Date | null;
  to?: Date | null;
}

/** What was changed, the latest first. */
export function listAuditEntries(
  services: Pick<Services, 'db' | 'secrets'>,
  { filter, page }: { filter: Filter; page: PageArguments },
): Promise<Page<AuditEntry>> {
  const where = whereOf(filter);
  return paginate(services, page, {
    name: 'auditLog',
    order: 'desc',
    find: (window) => services.db.auditEntry.findMany({ ...window, where: { ...where, ...window.where } }),
    count: () => services.db.auditEntry.count({ where }),
  });
}

function whereOf({ actorId, targetId, action, from, to }: Filter): Prisma.AuditEntryWhereInput {
  return {
    ...(actorId && { actorId: checkId(actorId) }),
    ...(targetId && { targetId: checkId(targetId) }),
    ...(action && { action }),
    ...((from || to) && { createdAt: { ...(from && { gte: from }), ...(to && { lt: to }) } }),
  };
}
