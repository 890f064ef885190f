import type { AuditEntry, Prisma } from '../../../generated/prisma/client.ts';
import { checkId } from '../../../platform/input.ts';
import { type Page, type PageArguments, paginate, type Sort } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';

interface Filter {
  actorId?: string | null;
  targetId?: string | null;
  action?: string | null;
  from?: Date | null;
  to?: Date | null;
}

type AuditSort = Sort<{ createdAt: Date }>;

/** Lists audit entries, latest first. */
export function listAuditEntries(
  services: Pick<Services, 'db' | 'secrets'>,
  { filter, page }: { filter: Filter; page: PageArguments },
): Promise<Page<AuditEntry>> {
  const where = whereOf(filter);
  // With a time range, sort by the indexed column `createdAt`; otherwise the time-ordered ids
  // suffice.
  const hasRange = filter.from != null || filter.to != null;
  const sort: AuditSort = { order: 'desc', ...(hasRange && { by: { column: 'createdAt' } }) };
  return paginate(services, page, {
    ...sort,
    name: 'auditLog',
    find: (window) => services.db.auditEntry.findMany({ ...window, where: { AND: [where, window.where] } }),
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
