import type { Device } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';
import { detachDevice } from './detach-device.ts';

/**
 * Takes any device from its account, as an admin: see `detachDevice`.
 *
 * @throws AuthError LAST_IDENTITY
 * @throws PlatformError NOT_FOUND
 */
export function deleteDevice(
  services: Pick<Services, 'db' | 'cache' | 'pubSub'>,
  { actorId, id }: { actorId: string; id: string },
): Promise<Device> {
  return detachDevice(services, { id, actorId, action: 'deleteDevice', rotateCredentials: false });
}
