import { DomainError } from '../../../platform/errors.ts';
import type { RateLimit } from '../../../platform/redis/rate-limit.ts';
import type { Services } from '../../../platform/services.ts';
import { countedAddress, type OwnAddresses } from './own-addresses.ts';

/**
 * Limits how often one address may fail at guessing a secret (a token, a link code, a device
 * proof). Only failures count. It lives here, and not in the platform, because the limits are
 * higher for the addresses of our own servers.
 *
 * @param refusal the error code that counts as a failed attempt
 * @throws PlatformError RATE_LIMITED when the address has failed too often
 */
export async function limitFailedAttempts<Result>(
  services: Pick<Services, 'rateLimits'> & { ownAddresses: OwnAddresses },
  { limit, refusal }: { limit: RateLimit; refusal: string },
  attempt: () => Promise<Result>,
): Promise<Result> {
  const address = await countedAddress(services);
  if (address === null) return attempt();
  await services.rateLimits.remaining(limit, address);
  try {
    return await attempt();
  } catch (error) {
    const isFailure = error instanceof DomainError && error.code === refusal;
    if (isFailure) await services.rateLimits.penalty(limit, address);
    throw error;
  }
}
