import { Arg, Ctx, FieldResolver, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import type { Device as DeviceRow } from '../../../generated/prisma/client.ts';
import { User } from '../../lifecycle/account/user.types.ts';
import { Device } from '../device/device.types.ts';
import { deviceStatistics } from './device-statistics.ts';
import { DeviceStatistics } from './device-statistics.types.ts';

@Resolver(() => Device)
export class DevicePresenceResolver {
  @FieldResolver(() => Boolean, {
    description: 'Whether the device has a websocket open to any instance of the API.',
  })
  online(@Root() { id, userId }: DeviceRow, @Ctx() { presence }: Context): Promise<boolean> {
    return presence.isOnline({ userId, deviceId: id });
  }
}

@Resolver(() => User)
export class DeviceStatisticsResolver {
  @FieldResolver(() => DeviceStatistics, { description: 'When the devices of the user were online.' })
  deviceStatistics(
    @Arg('timeZone', () => String, {
      nullable: true,
      description:
        'The time zone in which calendar days are counted: an IANA name such as Europe/Berlin, UTC, or an offset such as +05:30. UTC if absent.',
    })
    timeZone: string | null | undefined,
    @Root() { id }: User,
    @Ctx() context: Context,
  ): Promise<DeviceStatistics> {
    return deviceStatistics(context, { userId: id, timeZone: timeZone ?? undefined });
  }
}
