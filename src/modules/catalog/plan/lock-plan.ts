import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { lockRow } from '../../kernel/locks.ts';
import type { PlanWithNodes } from './plan-fields.ts';

/**
 * Locks a plan, then reads it.
 *
 * @param details of the refusal: the field that named it
 * @throws PlatformError NOT_FOUND also when it is deleted
 */
export async function lockPlan(
  tx: Transaction,
  id: string,
  details: { field?: string } = {},
): Promise<PlanWithNodes> {
  await lockRow(tx, 'plans', id);
  const plan = await tx.plan.findUnique({ where: { id, deletedAt: null }, include: { planNodes: true } });
  if (!plan) throw new PlatformError('NOT_FOUND', details);
  return plan;
}
