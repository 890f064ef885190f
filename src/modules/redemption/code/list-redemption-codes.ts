import {
  type Plan,
  Prisma,
  type RedemptionBatch,
  type RedemptionCode,
} from '../../../generated/prisma/client.ts';
import { checkId } from '../../../platform/input.ts';
import { type Page, type PageArguments, paginate } from '../../../platform/pagination/page.ts';
import { windowSql } from '../../../platform/pagination/window-sql.ts';
import { required } from '../../../platform/required.ts';
import type { Services } from '../../../platform/services.ts';
import { PLAN_COLUMNS, type PlanColumns, toPlan } from '../../subscription/subscription-columns.ts';
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
export function listRedemptionCodes(
  services: ListServices,
  { filter, page }: { filter: CodeFilter; page: PageArguments },
): Promise<Page<CodeOfBatch>> {
  const { db } = services;
  const where = whereOf(services, filter);
  return paginate(services, page, {
    name: 'redemptionCodes',
    order: 'desc',
    find: async (window) => {
      const { where: place, orderBy, limit } = windowSql(window, SORT_COLUMNS);
      const codes = await db.$queryRaw<RedemptionCode[]>`
        SELECT ${CODE_COLUMNS} FROM redemption_codes c JOIN redemption_batches b ON b.id = c.batch_id
        WHERE ${where} AND ${place} ORDER BY ${orderBy} LIMIT ${limit}`;
      return withBatches(services, codes);
    },
    count: async () => {
      const [found] = await db.$queryRaw<{ count: number }[]>`
        SELECT count(*)::int AS count FROM redemption_codes c JOIN redemption_batches b ON b.id = c.batch_id
        WHERE ${where}`;
      return required(found, 'count of the codes').count;
    },
  });
}

const SORT_COLUMNS = { id: { name: 'c.id', type: 'uuid' } } as const;

/** All columns of `redemption_codes` as `c`, named as the fields of `RedemptionCode`. */
const CODE_COLUMNS = Prisma.sql`
  c.id, c.batch_id AS "batchId", c.lookup, c.ciphertext, c.hint, c.enabled, c.max_uses AS "maxUses",
  c.used_count AS "usedCount", c.reserved_count AS "reservedCount", c.expires_at AS "expiresAt", c.note,
  c.version, c.deleted_at AS "deletedAt", c.created_at AS "createdAt"`;

/** All columns of `redemption_batches` as `b`, named as the fields of `RedemptionBatch`. */
const BATCH_COLUMNS = Prisma.sql`
  b.id, b.plan_id AS "planId", b.unit_time::text AS "unitTime", b.quantity, b.max_uses AS "maxUses", b.count,
  b.created, b.enabled, b.label, b.note, b.expires_at AS "expiresAt", b.idempotency_key AS "idempotencyKey",
  b.request_mac AS "requestMac", b.next_fill_at AS "nextFillAt", b.created_by_id AS "createdById",
  b.deleted_at AS "deletedAt", b.created_at AS "createdAt"`;

/** A page of codes has few batches, so they are read once and not with each code. */
async function withBatches({ db }: ListServices, codes: readonly RedemptionCode[]): Promise<CodeOfBatch[]> {
  if (codes.length === 0) return [];
  const ids = [...new Set(codes.map(({ batchId }) => batchId))];
  const found = await db.$queryRaw<(RedemptionBatch & PlanColumns)[]>`
    SELECT ${BATCH_COLUMNS}, ${PLAN_COLUMNS} FROM redemption_batches b JOIN plans p ON p.id = b.plan_id
    WHERE b.id = ANY(${ids}::uuid[])`;
  const batches = new Map(found.map((row) => [row.id, { ...row, plan: toPlan(row) }]));
  return codes.map((code) => ({ ...code, batch: required(batches.get(code.batchId), 'batch of the code') }));
}

function whereOf(services: ListServices, filter: CodeFilter): Prisma.Sql {
  const { id, batchId, planId, code, enabled, exhausted, expired } = filter;
  const conditions = [Prisma.sql`c.deleted_at IS NULL AND b.deleted_at IS NULL`];
  if (id != null) conditions.push(Prisma.sql`c.id = ${checkId(id)}::uuid`);
  if (batchId != null) conditions.push(Prisma.sql`c.batch_id = ${checkId(batchId)}::uuid`);
  if (planId != null) conditions.push(Prisma.sql`b.plan_id = ${checkId(planId)}::uuid`);
  if (code != null) {
    const lookups = lookupsOf(services, normalizeCode(code, 'filter.code'));
    conditions.push(
      Prisma.sql`c.lookup IN (SELECT decode(hex, 'hex') FROM unnest(${lookups}::text[]) AS hex)`,
    );
  }
  // A code counts as enabled only if its batch is enabled, too.
  if (enabled != null) conditions.push(isOrIsNot(enabled, Prisma.sql`c.enabled AND b.enabled`));
  if (exhausted != null)
    conditions.push(isOrIsNot(exhausted, Prisma.sql`coalesce(c.used_count >= c.max_uses, false)`));
  if (expired != null)
    conditions.push(isOrIsNot(expired, Prisma.sql`coalesce(c.expires_at <= tessera_now(), false)`));
  return Prisma.join(conditions, ' AND ');
}

const isOrIsNot = (is: boolean, condition: Prisma.Sql): Prisma.Sql =>
  is ? Prisma.sql`(${condition})` : Prisma.sql`NOT (${condition})`;
