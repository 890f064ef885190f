import type { Plan, Prisma, RedemptionBatch, RedemptionCode } from '../../../generated/prisma/client.ts';
import { databaseNow } from '../../../platform/database/clock.ts';
import { checkId } from '../../../platform/input.ts';
import { type Page, type PageArguments, paginate } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';
import { lookupsOf } from './code-vault.ts';
import { normalizeCode } from './redemption-code.ts';

/** Conditions on codes, combined with AND. Absent and null conditions are ignored. */
export interface CodeFilter {
  id?: string | null;
  batchId?: string | null;
  planId?: string | null;
  /** As typed. */
  code?: string | null;
  enabled?: boolean | null;
  exhausted?: boolean | null;
  expired?: boolean | null;
}

type ListServices = Pick<Services, 'db' | 'secrets'>;

/** A code with its batch and plan. */
export type CodeOfBatch = RedemptionCode & { batch: RedemptionBatch & { plan: Plan } };

/** Lists codes that are not deleted, newest first. */
export async function listRedemptionCodes(
  services: ListServices,
  { filter, page }: { filter: CodeFilter; page: PageArguments },
): Promise<Page<CodeOfBatch>> {
  const where = await whereOf(services, filter);
  return paginate(services, page, {
    name: 'redemptionCodes',
    order: 'desc',
    find: (window) =>
      services.db.redemptionCode.findMany({
        ...window,
        where: { AND: [where, window.where] },
        include: { batch: { include: { plan: true } } },
      }),
    count: () => services.db.redemptionCode.count({ where }),
  });
}

async function whereOf(services: ListServices, filter: CodeFilter): Promise<Prisma.RedemptionCodeWhereInput> {
  const { id, batchId, planId, code, enabled } = filter;
  const conditions: Prisma.RedemptionCodeWhereInput[] = [{ deletedAt: null, batch: { deletedAt: null } }];
  if (id != null) conditions.push({ id: checkId(id) });
  if (batchId != null) conditions.push({ batchId: checkId(batchId) });
  if (planId != null) conditions.push({ batch: { planId: checkId(planId) } });
  if (code != null) {
    const lookups = lookupsOf(services, normalizeCode(code, 'filter.code'));
    conditions.push({ lookup: { in: lookups.map((hex) => Uint8Array.from(Buffer.from(hex, 'hex'))) } });
  }
  if (enabled != null) conditions.push(enabledIs(enabled));
  conditions.push(...(await usableConditions(services, filter)));
  return { AND: conditions };
}

/** A code counts as enabled only if its batch is enabled, too. */
const enabledIs = (enabled: boolean): Prisma.RedemptionCodeWhereInput =>
  enabled
    ? { enabled: true, batch: { enabled: true } }
    : { OR: [{ enabled: false }, { batch: { enabled: false } }] };

async function usableConditions(
  { db }: ListServices,
  { exhausted, expired }: CodeFilter,
): Promise<Prisma.RedemptionCodeWhereInput[]> {
  const conditions: Prisma.RedemptionCodeWhereInput[] = [];
  if (exhausted != null) {
    const isExhausted = { maxUses: { not: null }, usedCount: { gte: db.redemptionCode.fields.maxUses } };
    conditions.push(exhausted ? isExhausted : { NOT: isExhausted });
  }
  if (expired != null) {
    const isExpired = { expiresAt: { lte: await databaseNow(db) } };
    conditions.push(expired ? isExpired : { OR: [{ expiresAt: null }, { NOT: isExpired }] });
  }
  return conditions;
}
