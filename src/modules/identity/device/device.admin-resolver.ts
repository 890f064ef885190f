import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import type { Device as DeviceRow } from '../../../generated/prisma/client.ts';
import { PageArgs } from '../../../platform/graphql/connection.ts';
import type { Page } from '../../../platform/pagination/page.ts';
import { AdminOnly, CurrentUser } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { findOwner } from '../../lifecycle/account/get-user.ts';
import { User } from '../../lifecycle/account/user.types.ts';
import { Device, DeviceConnection, DeviceFilter, DeviceOrderBy } from './device.types.ts';
import { kickDevice } from './kick-device.ts';
import { listDevices } from './list-devices.ts';
import { setDeviceEnabled } from './set-device-enabled.ts';

@Resolver(() => Device)
export class DeviceAdminResolver {
  @AdminOnly()
  @Query(() => DeviceConnection, { nullable: true, description: 'All devices, of every account.' })
  devices(
    @Arg('filter', () => DeviceFilter, { nullable: true, description: 'Defaults to all devices.' })
    filter: DeviceFilter | null,
    @Arg('orderBy', () => DeviceOrderBy, { nullable: true, description: 'Defaults to newest first.' })
    orderBy: keyof typeof DeviceOrderBy | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<Page<Device>> {
    return listDevices(context, { filter: filter ?? {}, orderBy, page });
  }

  @AdminOnly()
  @Mutation(() => Device, {
    description:
      'Enables or disables a device. Disabling it revokes its session and closes its websockets; its owner cannot unbind it, and it stays disabled after its account is closed. Enabling a device of a closed account lets it register again.',
  })
  setDeviceEnabled(
    @Arg('id', () => ID, { description: 'Device id.' }) id: string,
    @Arg('enabled', () => Boolean, { description: 'Whether the device may log in.' }) enabled: boolean,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<Device> {
    return setDeviceEnabled(context, { actorId: userId, id, enabled });
  }

  @AdminOnly()
  @Mutation(() => Device, {
    description: 'Revokes the session of a device and closes its websockets. The device may log in again.',
  })
  kickDevice(
    @Arg('id', () => ID, { description: 'Device id.' }) id: string,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<Device> {
    return kickDevice(context, { actorId: userId, id });
  }

  @FieldResolver(() => User, {
    nullable: true,
    description: 'The owner of the device; null unless the caller is an admin.',
  })
  user(@Root() { userId }: DeviceRow, @Ctx() context: Context): Promise<User | null> {
    return findOwner(context, { userId });
  }
}
