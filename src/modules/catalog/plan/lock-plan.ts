import type { Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { lockRow } from '../../kernel/locks.ts';
import type { PlanWithNodes } from './plan-fields.ts';

/**
 * Locks a plan until the transaction ends, then reads it.
 *
 * @param details added to the error, such as the input field that contained the id
 * @throws PlatformError NOT_FOUND if it does not exist or is deleted
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
