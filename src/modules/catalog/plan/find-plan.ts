import type { Plan } from '../../../generated/prisma/client.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';

/**
 * The plan that somebody means by its id, or by its name where only one has it.
 *
 * @throws PlatformError NOT_FOUND; BAD_USER_INPUT for a name that several have
 */
export async function findPlan({ db }: Pick<Services, 'db'>, named: string): Promise<Plan> {
  const plans = await db.plan.findMany({ where: { deletedAt: null } });
  const meant = plans.filter(({ id, name }) => id === named.toLowerCase() || name === named);
  const [plan, ...others] = meant;
  if (!plan) {
    const names = plans.map(({ name }) => name).join(', ');
    throw new PlatformError('NOT_FOUND', {
      message: `There is no plan ${named}. There are: ${names || 'none'}.`,
    });
  }
  if (others.length === 0) return plan;
  const ids = meant.map(({ id }) => id).join(', ');
  throw new PlatformError('BAD_USER_INPUT', {
    message: `Several plans are called ${named}. Give an id: ${ids}.`,
  });
}
