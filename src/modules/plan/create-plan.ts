import { z } from 'zod';
import { type Plan, PlanStatus, type Prisma, ResetCycle } from '../../generated/prisma/client.ts';
import type { Transaction } from '../../platform/database.ts';
import { PlatformError } from '../../platform/errors.ts';
import { checkId, checkInput } from '../../platform/input.ts';
import type { Services } from '../../platform/services.ts';
import { recordAudit } from '../audit/record-audit.ts';

/** Absent and null mean the same: unlimited. */
const orUnlimited = <Schema extends z.ZodType>(schema: Schema) =>
  schema.nullish().transform((value) => value ?? null);
const limit = z.number().int().min(0, 'must not be negative');
const tag = z.string().trim().min(1, 'must not be empty').max(50, 'must have at most 50 characters');

const NewPlan = z.object({
  name: z.string().trim().min(1, 'must not be empty').max(100, 'must have at most 100 characters'),
  description: z
    .string()
    .max(10_000, 'must have at most 10000 characters')
    .nullish()
    .transform((text) => text ?? ''),
  trafficLimit: orUnlimited(z.bigint().min(0n, 'must not be negative')),
  deviceLimit: orUnlimited(limit),
  speedLimit: orUnlimited(z.number().int().min(1, 'must be at least 1')),
  quota: orUnlimited(limit),
  resetCycle: z
    .enum(ResetCycle)
    .nullish()
    .transform((cycle) => cycle ?? 'NEVER'),
  status: z
    .enum(PlanStatus)
    .nullish()
    .transform((status) => status ?? 'ON_SALE'),
  nodeIds: z
    .array(z.string())
    .max(1_000, 'must have at most 1000 entries')
    .nullish()
    .transform((ids) => [...new Set((ids ?? []).map((id) => checkId(id, 'input.nodeIds')))]),
  nodeTags: z
    .array(tag)
    .max(100, 'must have at most 100 entries')
    .nullish()
    .transform((tags) => [...new Set(tags ?? [])]),
});

/**
 * Makes a plan, audited.
 *
 * @throws PlatformError BAD_USER_INPUT; NOT_FOUND when one of the nodes does not exist
 */
export function createPlan(
  { db }: Pick<Services, 'db'>,
  { actorId, input }: { actorId: string; input: z.input<typeof NewPlan> },
): Promise<Plan> {
  const { nodeIds, ...fields } = checkInput(NewPlan, input);
  return db.$transaction(async (tx) => {
    await checkNodes(tx, nodeIds);
    const planNodes = { create: nodeIds.map((nodeId) => ({ nodeId })) };
    const plan = await tx.plan.create({ data: { ...fields, planNodes } });
    await recordAudit(tx, {
      action: 'createPlan',
      actorId,
      targetId: plan.id,
      after: auditedPlan(plan, nodeIds),
    });
    return plan;
  });
}

async function checkNodes(tx: Transaction, ids: string[]): Promise<void> {
  if (ids.length === 0) return;
  const found = await tx.node.count({ where: { id: { in: ids }, deletedAt: null } });
  if (found !== ids.length) throw new PlatformError('NOT_FOUND', { field: 'input.nodeIds' });
}

function auditedPlan(
  { trafficLimit, createdAt, deletedAt, ...plan }: Plan,
  nodeIds: string[],
): Prisma.InputJsonObject {
  return { ...plan, trafficLimit: trafficLimit?.toString() ?? null, nodeIds };
}
