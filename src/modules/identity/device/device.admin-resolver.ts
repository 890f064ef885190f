import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import type { Device as DeviceRow } from '../../../generated/prisma/client.ts';
import { PageArgs } from '../../../platform/graphql/connection.ts';
import type { Page } from '../../../platform/pagination/page.ts';
import { AdminOnly, CurrentUser } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { findOwner } from '../../lifecycle/account/get-viewer.ts';
import { User } from '../../lifecycle/account/user.types.ts';
import { deleteDevice } from '../../lifecycle/binding/delete-device.ts';
import { Device, DeviceConnection, DeviceFilter, DeviceOrderBy } from './device.types.ts';
import { kickDevice } from './kick-device.ts';
import { listDevices } from './list-devices.ts';
import { setDeviceEnabled } from './set-device-enabled.ts';

@Resolver(() => Device)
export class DeviceAdminResolver {
  @AdminOnly()
  @Query(() => DeviceConnection, { nullable: true, description: 'Devices.' })
  devices(
    @Arg('filter', () => DeviceFilter, { nullable: true, description: 'Which devices; absent: all.' })
    filter: DeviceFilter | null,
    @Arg('orderBy', () => DeviceOrderBy, { nullable: true, description: 'Absent: the newest first.' })
    orderBy: keyof typeof DeviceOrderBy | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<Page<Device>> {
    return listDevices(context, { filter: filter ?? {}, orderBy, page });
  }

  @AdminOnly()
  @Mutation(() => Device, {
    description: 'Lets a device log in, or not. Disabling it ends its session and closes its sockets.',
  })
  setDeviceEnabled(
    @Arg('id', () => ID, { description: 'Which device.' }) id: string,
    @Arg('enabled', () => Boolean, { description: 'Whether it may log in.' }) enabled: boolean,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<Device> {
    return setDeviceEnabled(context, { actorId: userId, id, enabled });
  }

  @AdminOnly()
  @Mutation(() => Device, {
    description: 'Ends the session of a device and closes its sockets. It may log in again.',
  })
  kickDevice(
    @Arg('id', () => ID, { description: 'Which device.' }) id: string,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<Device> {
    return kickDevice(context, { actorId: userId, id });
  }

  @AdminOnly()
  @Mutation(() => Device, {
    description:
      'Takes a device from its account; answers with it as it was. The last way into an account that has a live subscription stays, any other closes the account.',
  })
  deleteDevice(
    @Arg('id', () => ID, { description: 'Which device.' }) id: string,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<Device> {
    return deleteDevice(context, { actorId: userId, id });
  }

  @FieldResolver(() => User, { nullable: true, description: 'Whose it is; for admins, null for others.' })
  user(@Root() { userId }: DeviceRow, @Ctx() context: Context): Promise<User | null> {
    return findOwner(context, { userId });
  }
}
