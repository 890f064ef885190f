import { Arg, Ctx, FieldResolver, ID, Mutation, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import { CurrentUser, SignedIn } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { Device, UpdateDeviceInput } from './device.types.ts';
import { updateDevice } from './update-device.ts';

@Resolver(() => Device)
export class DeviceResolver {
  @SignedIn()
  @Mutation(() => Device, { description: 'Renames one of your devices.' })
  updateDevice(
    @Arg('id', () => ID, { description: 'Id of one of your devices.' }) id: string,
    @Arg('input', () => UpdateDeviceInput, {
      description: 'Fields to change; absent fields keep their value.',
    })
    input: UpdateDeviceInput,
    @CurrentUser() caller: UserCaller,
    @Ctx() context: Context,
  ): Promise<Device> {
    return updateDevice(context, { caller, id, input });
  }

  @FieldResolver(() => Boolean, { description: 'Whether this device sent the request.' })
  current(@Root() { id }: Device, @Ctx() { caller }: Context): boolean {
    return caller.kind === 'user' && caller.deviceId === id;
  }
}
