import { type Coalescer, createCoalescer } from '../../../platform/concurrency/coalescer.ts';
import { isOutage } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import type { Services } from '../../../platform/services.ts';
import { activateOrders } from './activate-orders.ts';
import { failAttempt } from './fail-attempt.ts';

type ActivateServices = Pick<Services, 'db' | 'cache' | 'log' | 'pubSub'>;

/**
 * Gathers the orders that are to be activated in this process, from the queue and the reconciler alike.
 *
 * @param maxSize most orders in one transaction
 */
export function createActivations(
  services: ActivateServices,
  { maxSize }: { maxSize: number },
): Coalescer<string, void> {
  return createCoalescer<string, void>({
    maxSize,
    run: async (orderIds) => {
      await activateOrders(services, [...new Set(orderIds)]);
      return orderIds.map(() => ({ status: 'fulfilled', value: undefined }));
    },
    failTogether: isOutage,
    overloaded: () => new PlatformError('SERVICE_UNAVAILABLE'),
  });
}

/**
 * Activates one order, together with whatever else there is to activate.
 *
 * @throws the outage or the bug that kept it from being activated; it stays PAID and is taken up again, until a bug
 *   has done so five times
 */
export async function activateOrder(
  services: ActivateServices & { activations: Coalescer<string, void> },
  orderId: string,
): Promise<void> {
  try {
    await services.activations.add(orderId);
  } catch (error) {
    // An outage is no fault of the order, and neither is too much to do.
    const isFaultless = isOutage(error) || error instanceof PlatformError;
    if (!isFaultless) await failAttempt(services, orderId);
    throw error;
  }
}
