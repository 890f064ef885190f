import type { Plan } from '../../../generated/prisma/client.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';

/**
 * Finds a plan by its id, or by its name if the name is unambiguous.
 *
 * @throws PlatformError NOT_FOUND; BAD_USER_INPUT if several plans have this name
 */
export async function findPlan({ db }: Pick<Services, 'db'>, idOrName: string): Promise<Plan> {
  const plans = await db.plan.findMany({ where: { deletedAt: null } });
  const matches = plans.filter(({ id, name }) => id === idOrName.toLowerCase() || name === idOrName);
  const [plan, ...others] = matches;
  if (!plan) {
    const names = plans.map(({ name }) => name).join(', ');
    throw new PlatformError('NOT_FOUND', {
      message: `There is no plan "${idOrName}". Existing plans: ${names || 'none'}.`,
    });
  }
  if (others.length === 0) return plan;
  const ids = matches.map(({ id }) => id).join(', ');
  throw new PlatformError('BAD_USER_INPUT', {
    message: `Several plans are named "${idOrName}". Use one of these ids: ${ids}.`,
  });
}
