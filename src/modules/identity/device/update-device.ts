import { z } from 'zod';
import type { Device } from '../../../generated/prisma/client.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId, checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { label } from '../../../platform/text.ts';
import { announce } from '../../kernel/announce.ts';
import type { UserCaller } from '../../kernel/caller.ts';

const DeviceChange = z.object({
  name: label(100).nullish(),
});

/**
 * Updates one of the caller's devices. A null name removes the name; an absent one leaves it
 * unchanged.
 *
 * @throws PlatformError BAD_USER_INPUT; NOT_FOUND, also for a device of another user
 */
export async function updateDevice(
  { db, pubSub }: Pick<Services, 'db' | 'pubSub'>,
  { caller: { userId }, id, input }: { caller: UserCaller; id: string; input: z.input<typeof DeviceChange> },
): Promise<Device> {
  const { name } = checkInput(DeviceChange, input);
  const [device] = await db.device.updateManyAndReturn({
    where: { id: checkId(id), userId },
    data: { ...(name !== undefined && { name }) },
  });
  if (!device) throw new PlatformError('NOT_FOUND');
  announce({ pubSub }, { userIds: [userId] });
  return device;
}
