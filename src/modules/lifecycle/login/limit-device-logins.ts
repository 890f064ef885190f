import type { RateLimit } from '../../../platform/redis/rate-limit.ts';
import type { Services } from '../../../platform/services.ts';
import { countedAddress, type OwnAddresses } from '../../network/server/own-addresses.ts';

/** Per device. A device logs in again only after its session has ended. */
const DEVICE_LOGINS: RateLimit = { name: 'device-login', points: 30, durationSeconds: 600 };
/** Per client address, whatever the outcome. */
const DEVICE_LOGINS_FROM: RateLimit = { name: 'device-login-from', points: 600, durationSeconds: 600 };

/**
 * Counts a device login against the client's address, before any work on it. The addresses of our
 * own servers are not limited.
 *
 * @throws PlatformError RATE_LIMITED
 */
export async function limitDeviceLoginsFrom(
  services: Pick<Services, 'rateLimits'> & { ownAddresses: OwnAddresses },
): Promise<void> {
  const address = await countedAddress(services);
  if (address !== null) await services.rateLimits.consume(DEVICE_LOGINS_FROM, address);
}

/**
 * Counts a login against its device. Call it after the credential was checked: otherwise any client
 * that knows the identifier could lock the device out.
 *
 * @throws PlatformError RATE_LIMITED
 */
export function limitDeviceLogins(
  { rateLimits }: Pick<Services, 'rateLimits'>,
  deviceId: string,
): Promise<void> {
  return rateLimits.consume(DEVICE_LOGINS, deviceId);
}
