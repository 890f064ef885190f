import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { type Plan as PlanRow, PlanStatus, ResetCycle, UnitTime } from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { OrderBy } from '../../../platform/graphql/order-by.ts';
import { BigIntScalar } from '../../../platform/graphql/scalars.ts';
import { PLAN_SORTS } from './list-plans.ts';

registerEnumType(PlanStatus, {
  name: 'PlanStatus',
  description: 'Whether a plan can be had.',
  valuesConfig: {
    ON_SALE: { description: 'Listed for everybody.' },
    HIDDEN: { description: 'Not listed; its codes still redeem.' },
    WITHDRAWN: { description: 'Its codes are refused; what was granted stays.' },
  },
});
registerEnumType(ResetCycle, {
  name: 'ResetCycle',
  description: 'When the traffic counters start again from zero.',
  valuesConfig: {
    NEVER: { description: 'Never: the traffic lasts until it is used up.' },
    MONTHLY_FIRST: { description: 'On the first day of each month, UTC.' },
    MONTHLY_START_DAY: { description: 'Each month on the day it began, or the last day of a shorter month.' },
    YEARLY: { description: 'Each year on the day it began.' },
  },
});
registerEnumType(UnitTime, {
  name: 'UnitTime',
  description: 'A length of time that is granted. Months are those of the calendar in UTC.',
  valuesConfig: {
    DAY: { description: '24 hours.' },
    MONTH: { description: 'One month.' },
    QUARTER: { description: 'Three months.' },
    HALF_YEAR: { description: 'Six months.' },
    YEAR: { description: 'Twelve months.' },
  },
});

type PlanFields = Omit<PlanRow, 'nodeTags' | 'nodeListVersion' | 'deletedAt' | 'createdAt'>;

@ObjectType({ description: 'What can be had: traffic, devices and speed, for a time that a code grants.' })
export class Plan implements PlanFields {
  @Field(() => ID, { description: 'UUID.' })
  id!: string;

  @Field(() => String, { description: 'What people call it.' })
  name!: string;

  @Field(() => String, { description: 'What it offers, for people.' })
  description!: string;

  @Field(() => PlanStatus, { description: 'Whether it can be had.' })
  status!: PlanStatus;

  @Field(() => BigIntScalar, { nullable: true, description: 'Bytes in both directions; null is unlimited.' })
  trafficLimit!: bigint | null;

  @Field(() => Int, { nullable: true, description: 'Devices online at once; null is unlimited, 0 none.' })
  deviceLimit!: number | null;

  @Field(() => Int, { nullable: true, description: 'Mbit/s; null is unlimited.' })
  speedLimit!: number | null;

  @Field(() => Int, {
    nullable: true,
    description:
      'How often one user may have it anew; extending is always allowed. Null is unlimited, 0 never.',
  })
  quota!: number | null;

  @Field(() => ResetCycle, { description: 'When the traffic counters start again from zero.' })
  resetCycle!: ResetCycle;

  @Field(() => Int, { description: 'Goes up with each change; send it back to notice changes by others.' })
  version!: number;
}

export const PlanConnection = Connection(Plan, 'Plan');

export const PlanOrderBy = OrderBy('Plan', PLAN_SORTS, {
  CREATED_AT_DESC: 'The newest first.',
  CREATED_AT_ASC: 'The oldest first.',
  NAME_ASC: 'By name, in the order of the alphabet.',
  NAME_DESC: 'By name, in the reverse order of the alphabet.',
});

@InputType({ description: 'A new plan. What is left out is unlimited, and the plan is on sale.' })
export class CreatePlanInput {
  @Field(() => String, { description: 'What people call it, 1-100 characters.' })
  name!: string;

  @Field(() => String, { nullable: true, description: 'What it offers, for people.' })
  description?: string | null;

  @Field(() => BigIntScalar, {
    nullable: true,
    description: 'Bytes in both directions; absent is unlimited.',
  })
  trafficLimit?: bigint | null;

  @Field(() => Int, { nullable: true, description: 'Devices online at once; absent is unlimited, 0 none.' })
  deviceLimit?: number | null;

  @Field(() => Int, { nullable: true, description: 'Mbit/s, at least 1; absent is unlimited.' })
  speedLimit?: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'How often one user may have it anew; absent is unlimited.',
  })
  quota?: number | null;

  @Field(() => ResetCycle, {
    nullable: true,
    description: 'When the counters start again from zero; absent: NEVER.',
  })
  resetCycle?: ResetCycle | null;

  @Field(() => PlanStatus, { nullable: true, description: 'Absent: ON_SALE.' })
  status?: PlanStatus | null;

  @Field(() => [ID], { nullable: true, description: 'Its nodes by id, beside those by tag.' })
  nodeIds?: string[] | null;

  @Field(() => [String], { nullable: true, description: 'Its nodes by tag, beside those by id.' })
  nodeTags?: string[] | null;
}

@InputType({ description: 'What changes of a plan; what is left out stays as it is.' })
export class UpdatePlanInput {
  @Field(() => Int, {
    nullable: true,
    description: 'The version that was edited; absent: whatever there is now.',
  })
  version?: number | null;

  @Field(() => String, { nullable: true, description: 'What people call it, 1-100 characters.' })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'What it offers, for people.' })
  description?: string | null;

  @Field(() => BigIntScalar, { nullable: true, description: 'Bytes in both directions; null: unlimited.' })
  trafficLimit?: bigint | null;

  @Field(() => Int, { nullable: true, description: 'Devices online at once; null: unlimited, 0 none.' })
  deviceLimit?: number | null;

  @Field(() => Int, { nullable: true, description: 'Mbit/s, at least 1; null: unlimited.' })
  speedLimit?: number | null;

  @Field(() => Int, { nullable: true, description: 'How often one user may have it anew; null: unlimited.' })
  quota?: number | null;

  @Field(() => ResetCycle, {
    nullable: true,
    description: 'When the counters of what is granted from now on start again.',
  })
  resetCycle?: ResetCycle | null;

  @Field(() => PlanStatus, { nullable: true, description: 'Whether it can be had.' })
  status?: PlanStatus | null;

  @Field(() => [ID], { nullable: true, description: 'All of its nodes by id, in place of those there were.' })
  nodeIds?: string[] | null;

  @Field(() => [String], { nullable: true, description: 'All of its tags, in place of those there were.' })
  nodeTags?: string[] | null;
}
