import { DomainError } from '../../../platform/errors.ts';
import type { RateLimit } from '../../../platform/redis/rate-limit.ts';
import type { Services } from '../../../platform/services.ts';
import { countedAddress } from './own-addresses.ts';

/**
 * Does the work while its address has not been wrong too often, and counts it there when it ends with this refusal.
 *
 * @throws PlatformError RATE_LIMITED
 */
export async function limitFailedAttempts<Result>(
  services: Pick<Services, 'db' | 'rateLimits'>,
  { limit, refusal }: { limit: RateLimit; refusal: string },
  work: () => Promise<Result>,
): Promise<Result> {
  const address = await countedAddress(services);
  if (address === null) return work();
  await services.rateLimits.remaining(limit, address);
  try {
    return await work();
  } catch (error) {
    const isWrong = error instanceof DomainError && error.code === refusal;
    if (isWrong) await services.rateLimits.penalty(limit, address);
    throw error;
  }
}
