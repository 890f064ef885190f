import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import { type Plan as PlanRow, PlanStatus, ResetCycle, UnitTime } from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { OrderBy } from '../../../platform/graphql/order-by.ts';
import { BigIntScalar } from '../../../platform/graphql/scalars.ts';
import { PLAN_SORTS } from './list-plans.ts';

registerEnumType(PlanStatus, {
  name: 'PlanStatus',
  description: 'Whether a plan is offered, and whether its codes can be redeemed.',
  valuesConfig: {
    ON_SALE: { description: 'Listed publicly; its codes can be redeemed.' },
    HIDDEN: { description: 'Not listed; its codes can be redeemed.' },
    WITHDRAWN: { description: 'Not listed; its codes are rejected. Existing subscriptions remain.' },
  },
});
registerEnumType(ResetCycle, {
  name: 'ResetCycle',
  description: 'When the traffic counters reset to zero.',
  valuesConfig: {
    NEVER: { description: 'Never: the traffic limit applies to the whole subscription.' },
    MONTHLY_FIRST: { description: 'On the first day of each month at 00:00 UTC.' },
    MONTHLY_START_DAY: {
      description: 'Each month on the start day of the subscription, clamped to the last day of the month.',
    },
    YEARLY: { description: 'Each year on the start day of the subscription.' },
  },
});
registerEnumType(UnitTime, {
  name: 'UnitTime',
  description: 'Unit of a granted duration. Months are calendar months in UTC.',
  valuesConfig: {
    DAY: { description: '24 hours.' },
    MONTH: { description: 'One calendar month.' },
    QUARTER: { description: 'Three calendar months.' },
    HALF_YEAR: { description: 'Six calendar months.' },
    YEAR: { description: 'Twelve calendar months.' },
  },
});

type PlanFields = Omit<PlanRow, 'nodeTags' | 'nodeListVersion' | 'deletedAt' | 'createdAt'>;

@ObjectType({
  description:
    'A product: limits of traffic, devices and speed, and the nodes that can be used. A code grants it for a duration.',
})
export class Plan implements PlanFields {
  @Field(() => ID, { description: 'UUID.' })
  id!: string;

  @Field(() => String, { description: 'Name shown to users.' })
  name!: string;

  @Field(() => String, { description: 'Description shown to users. May be empty.' })
  description!: string;

  @Field(() => PlanStatus, { description: 'Whether the plan is listed and its codes can be redeemed.' })
  status!: PlanStatus;

  @Field(() => BigIntScalar, {
    nullable: true,
    description: 'Limit of uploaded plus downloaded bytes. Null is unlimited.',
  })
  trafficLimit!: bigint | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Maximum number of devices that are online concurrently. Null is unlimited.',
  })
  deviceLimit!: number | null;

  @Field(() => Int, { nullable: true, description: 'Speed limit in Mbit/s. Null is unlimited.' })
  speedLimit!: number | null;

  @Field(() => Int, {
    nullable: true,
    description:
      'How many times one user can start a subscription of this plan. Extensions do not count. Null is unlimited.',
  })
  quota!: number | null;

  @Field(() => ResetCycle, { description: 'When the traffic counters of new subscriptions reset to zero.' })
  resetCycle!: ResetCycle;

  @Field(() => Int, {
    description: 'Increases with each change. Pass it to the next update to detect concurrent edits.',
  })
  version!: number;
}

export const PlanConnection = Connection(Plan, 'Plan');

export const PlanOrderBy = OrderBy('Plan', PLAN_SORTS, {
  CREATED_AT_DESC: 'Newest first.',
  CREATED_AT_ASC: 'Oldest first.',
  NAME_ASC: 'By name, ascending.',
  NAME_DESC: 'By name, descending.',
});

@InputType({ description: 'Fields of a new plan. Absent limits are unlimited.' })
export class CreatePlanInput {
  @Field(() => String, { description: 'Name shown to users, 1-100 characters.' })
  name!: string;

  @Field(() => String, { nullable: true, description: 'Description shown to users, up to 10000 characters.' })
  description?: string | null;

  @Field(() => BigIntScalar, {
    nullable: true,
    description: 'Limit of uploaded plus downloaded bytes. If absent, it is unlimited.',
  })
  trafficLimit?: bigint | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Maximum number of devices that are online concurrently. If absent, it is unlimited.',
  })
  deviceLimit?: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Speed limit in Mbit/s, at least 1. If absent, it is unlimited.',
  })
  speedLimit?: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'How many times one user can start a subscription of this plan. If absent, it is unlimited.',
  })
  quota?: number | null;

  @Field(() => ResetCycle, {
    nullable: true,
    description: 'When the traffic counters reset to zero. Defaults to NEVER.',
  })
  resetCycle?: ResetCycle | null;

  @Field(() => PlanStatus, { nullable: true, description: 'Defaults to ON_SALE.' })
  status?: PlanStatus | null;

  @Field(() => [ID], {
    nullable: true,
    description: 'UUIDs of up to 1000 nodes, in addition to those with a tag of the plan.',
  })
  nodeIds?: string[] | null;

  @Field(() => [String], {
    nullable: true,
    description: 'Tags whose nodes belong to the plan, in addition to `nodeIds`.',
  })
  nodeTags?: string[] | null;
}

@InputType({ description: 'Changes to a plan. Absent fields keep their value.' })
export class UpdatePlanInput {
  @Field(() => Int, {
    nullable: true,
    description:
      'The version that was read. Fails with EDIT_CONFLICT if it has changed since. If absent, the last write wins.',
  })
  version?: number | null;

  @Field(() => String, { nullable: true, description: 'Name shown to users, 1-100 characters.' })
  name?: string | null;

  @Field(() => String, { nullable: true, description: 'Description shown to users, up to 10000 characters.' })
  description?: string | null;

  @Field(() => BigIntScalar, {
    nullable: true,
    description:
      'Limit of uploaded plus downloaded bytes, for new subscriptions and extensions. Null is unlimited.',
  })
  trafficLimit?: bigint | null;

  @Field(() => Int, {
    nullable: true,
    description: 'Maximum number of devices that are online concurrently. Null is unlimited.',
  })
  deviceLimit?: number | null;

  @Field(() => Int, { nullable: true, description: 'Speed limit in Mbit/s, at least 1. Null is unlimited.' })
  speedLimit?: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'How many times one user can start a subscription of this plan. Null is unlimited.',
  })
  quota?: number | null;

  @Field(() => ResetCycle, {
    nullable: true,
    description: 'When the traffic counters reset to zero, for new subscriptions and extensions.',
  })
  resetCycle?: ResetCycle | null;

  @Field(() => PlanStatus, {
    nullable: true,
    description: 'Whether the plan is listed and its codes can be redeemed.',
  })
  status?: PlanStatus | null;

  @Field(() => [ID], { nullable: true, description: 'UUIDs of up to 1000 nodes. Replaces the current list.' })
  nodeIds?: string[] | null;

  @Field(() => [String], {
    nullable: true,
    description: 'Tags whose nodes belong to the plan. Replaces the current list.',
  })
  nodeTags?: string[] | null;
}
