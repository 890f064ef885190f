import { Field, Float, Int, ObjectType } from 'type-graphql';
import type { DeviceStatistics as Statistics } from './device-statistics.ts';

@ObjectType({ description: 'How long an account was online on one day.' })
export class DeviceDay {
  @Field(() => String, { description: 'The calendar day, as YYYY-MM-DD.' })
  date!: string;

  @Field(() => Float, { description: 'Hours during which at least one of its devices was online.' })
  hours!: number;
}

@ObjectType({
  description: 'When the devices of an account were online, those that it no longer has included.',
})
export class DeviceStatistics implements Statistics {
  @Field(() => [DeviceDay], { description: 'The last seven days, today last.' })
  days!: DeviceDay[];

  @Field(() => Int, { description: 'The longest time that one device was online without a break.' })
  longestStaySeconds!: number;

  @Field(() => Int, {
    description: 'Days in a row with a device online, until today or, while there was none today, yesterday.',
  })
  currentStreakDays!: number;

  @Field(() => Int, { description: 'The most days in a row with a device online.' })
  longestStreakDays!: number;
}
