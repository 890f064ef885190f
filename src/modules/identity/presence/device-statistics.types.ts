import { Field, Float, Int, ObjectType } from 'type-graphql';
import type { StayStatistics } from './device-statistics.ts';

@ObjectType({ description: 'The time that an account was online on one calendar day.' })
export class DeviceDay {
  @Field(() => String, { description: 'The calendar day in the requested time zone, as YYYY-MM-DD.' })
  date!: string;

  @Field(() => Float, { description: 'Hours during which at least one device was online, from 0 to 25.' })
  hours!: number;
}

@ObjectType({
  description:
    'When the devices of an account were online, as far as the service keeps it: 90 days by default. Includes devices that it no longer has.',
})
export class DeviceStatistics implements StayStatistics {
  @Field(() => [DeviceDay], { description: 'The last seven days in ascending order, ending today.' })
  days!: DeviceDay[];

  @Field(() => Int, {
    description: 'The longest presence interval: seconds that one device was online without interruption.',
  })
  longestStaySeconds!: number;

  @Field(() => Int, {
    description:
      'The number of consecutive days with a device online, ending today or, if none was online today yet, yesterday.',
  })
  currentStreakDays!: number;

  @Field(() => Int, { description: 'The largest number of consecutive days with a device online.' })
  longestStreakDays!: number;
}
