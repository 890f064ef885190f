import { Arg, Ctx, ID, Mutation, Resolver } from 'type-graphql';
import type { Context } from '../../../context.ts';
import { Device } from '../../identity/device/device.types.ts';
import { AdminOnly, CurrentUser } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { deleteDevice } from './unbind-device.ts';

@Resolver()
export class BindingAdminResolver {
  @AdminOnly()
  @Mutation(() => Device, {
    description:
      'Removes a device from its account and returns it as it was. It may register again, even if it was disabled. If it is the last way to log in, a live subscription makes this fail with LAST_IDENTITY; otherwise the account is closed.',
  })
  deleteDevice(
    @Arg('id', () => ID, { description: 'Device id.' }) id: string,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<Device> {
    return deleteDevice(context, { actorId: userId, id });
  }
}
