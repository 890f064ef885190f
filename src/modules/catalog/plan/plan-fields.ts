import { z } from 'zod';
import { type Plan, PlanStatus, type Prisma, ResetCycle } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { EditedVersion } from '../../../platform/database/edit.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId, orElse, orNull, orUnchanged } from '../../../platform/input.ts';
import { label } from '../../../platform/text.ts';
import { Tags } from '../../network/node/node-fields.ts';

const limit = z.number().int().min(0, 'must not be negative');

const fields = {
  name: label(100),
  description: z.string().max(10_000, 'must have at most 10000 characters'),
  trafficLimit: z.bigint().min(0n, 'must not be negative'),
  deviceLimit: limit,
  speedLimit: z.number().int().min(1, 'must be at least 1'),
  quota: limit,
  resetCycle: z.enum(ResetCycle),
  status: z.enum(PlanStatus),
  nodeIds: z
    .array(z.string())
    .max(1_000, 'must have at most 1000 entries')
    .transform((ids) => [...new Set(ids.map((id) => checkId(id, 'input.nodeIds')))]),
  nodeTags: Tags,
};

/** Absent limits are unlimited. */
export const NewPlan = z.object({
  name: fields.name,
  description: orElse(fields.description, ''),
  trafficLimit: orNull(fields.trafficLimit),
  deviceLimit: orNull(fields.deviceLimit),
  speedLimit: orNull(fields.speedLimit),
  quota: orNull(fields.quota),
  resetCycle: orElse(fields.resetCycle, 'NEVER'),
  status: orElse(fields.status, 'ON_SALE'),
  nodeIds: orElse(fields.nodeIds, []),
  nodeTags: orElse(fields.nodeTags, []),
});

/** Absent fields keep their value; null makes a limit unlimited. */
export const PlanChanges = z.object({
  version: EditedVersion,
  name: orUnchanged(fields.name),
  description: orUnchanged(fields.description),
  trafficLimit: fields.trafficLimit.nullish(),
  deviceLimit: fields.deviceLimit.nullish(),
  speedLimit: fields.speedLimit.nullish(),
  quota: fields.quota.nullish(),
  resetCycle: orUnchanged(fields.resetCycle),
  status: orUnchanged(fields.status),
  nodeIds: orUnchanged(fields.nodeIds),
  nodeTags: orUnchanged(fields.nodeTags),
});

/** @throws PlatformError NOT_FOUND if one of the nodes does not exist or is deleted */
export async function checkNodes(tx: Pick<Transaction, 'node'>, ids: readonly string[]): Promise<void> {
  if (ids.length === 0) return;
  const found = await tx.node.count({ where: { id: { in: [...ids] }, deletedAt: null } });
  if (found !== ids.length) throw new PlatformError('NOT_FOUND', { field: 'input.nodeIds' });
}

/** A plan and the nodes that are assigned to it by id. */
export type PlanWithNodes = Plan & { planNodes: { nodeId: string }[] };

export function auditedPlan({
  trafficLimit,
  nodeListVersion,
  createdAt,
  deletedAt,
  planNodes,
  ...plan
}: PlanWithNodes): Prisma.InputJsonObject {
  const nodeIds = planNodes.map(({ nodeId }) => nodeId).sort();
  return { ...plan, trafficLimit: trafficLimit?.toString() ?? null, nodeIds };
}
