import type { Device } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { detachDevice } from './detach-device.ts';

/**
 * Takes a device of the caller's own from his account: see `detachDevice`. He stays logged in unless it was his.
 *
 * @param rotateCredentials whether his live subscriptions get new credentials and tokens
 * @throws AuthError LAST_IDENTITY
 * @throws PlatformError NOT_FOUND, the same for a device of somebody else as for none
 */
export function unbindDevice(
  services: Pick<Services, 'db' | 'cache' | 'pubSub'>,
  { caller: { userId }, ...rest }: { caller: UserCaller; id: string; rotateCredentials: boolean },
): Promise<Device> {
  return detachDevice(services, { ...rest, action: 'unbindDevice', actorId: userId, ownerId: userId });
}
