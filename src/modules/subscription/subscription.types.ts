import { Field, ID, InputType, Int, ObjectType, registerEnumType } from 'type-graphql';
import {
  SubscriptionStatus,
  type UserSubscription as UserSubscriptionRow,
} from '../../generated/prisma/client.ts';
import { Connection } from '../../platform/graphql/connection.ts';
import { OrderBy } from '../../platform/graphql/order-by.ts';
import { BigIntScalar, DateTimeScalar } from '../../platform/graphql/scalars.ts';
import { Plan } from '../catalog/plan/plan.types.ts';
import { SUBSCRIPTION_SORTS } from './list-subscriptions.ts';

registerEnumType(SubscriptionStatus, {
  name: 'SubscriptionStatus',
  description: 'Whether a subscription can be used.',
  valuesConfig: {
    ACTIVE: { description: 'It can be used.' },
    EXHAUSTED: { description: 'Its traffic is used up; its time is not.' },
    EXPIRED: { description: 'Its time is over.' },
    STOPPED: { description: 'An admin has stopped it.' },
  },
});

type SubscriptionFields = Pick<
  UserSubscriptionRow,
  | 'id'
  | 'status'
  | 'startsAt'
  | 'expiresAt'
  | 'trafficLimit'
  | 'upload'
  | 'download'
  | 'token'
  | 'credential'
  | 'version'
>;

@ObjectType({ description: 'What a user has of a plan.' })
export class UserSubscription implements SubscriptionFields {
  @Field(() => ID, { description: 'UUID.' })
  id!: string;

  @Field(() => Plan, { description: 'The plan it is of.' })
  plan!: Plan;

  @Field(() => SubscriptionStatus, { description: 'Whether it can be used, by the clock of this moment.' })
  status!: SubscriptionStatus;

  @Field(() => DateTimeScalar, { description: 'When it began.' })
  startsAt!: Date;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it ends; null is never.' })
  expiresAt!: Date | null;

  @Field(() => BigIntScalar, { nullable: true, description: 'Bytes in both directions; null is unlimited.' })
  trafficLimit!: bigint | null;

  @Field(() => BigIntScalar, { description: 'Bytes sent since the last reset.' })
  upload!: bigint;

  @Field(() => BigIntScalar, { description: 'Bytes received since the last reset.' })
  download!: bigint;

  @Field(() => String, {
    description: 'Names the subscription to programs that are not logged in; keep it secret.',
  })
  token!: string;

  @Field(() => String, { description: 'UUID that the user shows at the nodes; keep it secret.' })
  credential!: string;

  @Field(() => Int, { description: 'Goes up with each change.' })
  version!: number;
}

export const UserSubscriptionConnection = Connection(UserSubscription, 'UserSubscription');

export const UserSubscriptionOrderBy = OrderBy('UserSubscription', SUBSCRIPTION_SORTS, {
  CREATED_AT_DESC: 'The newest first.',
  CREATED_AT_ASC: 'The oldest first.',
  EXPIRES_AT_DESC: 'What ends last comes first; what never ends comes last.',
  EXPIRES_AT_ASC: 'What has ended, or ends next, comes first; what never ends comes last.',
});

@InputType({ description: 'Which subscriptions; what is left out does not matter.' })
export class UserSubscriptionFilter {
  @Field(() => ID, { nullable: true, description: 'Whose they are.' })
  userId?: string | null;

  @Field(() => ID, { nullable: true, description: 'The plan they are of.' })
  planId?: string | null;

  @Field(() => SubscriptionStatus, {
    nullable: true,
    description: 'Whether they can be used, by the clock of this moment.',
  })
  status?: SubscriptionStatus | null;
}

@InputType({ description: 'A change of a subscription; what is left out stays.' })
export class UpdateUserSubscriptionInput {
  @Field(() => Int, {
    nullable: true,
    description: 'The version that was read: refused when it has changed since. Absent: the last write wins.',
  })
  version?: number | null;

  @Field(() => SubscriptionStatus, {
    nullable: true,
    description:
      'STOPPED takes it from the servers; ACTIVE lets it go on, and it is EXHAUSTED if its traffic is used up. No other can be set.',
  })
  status?: SubscriptionStatus | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it ends; null is never.' })
  expiresAt?: Date | null;

  @Field(() => BigIntScalar, {
    nullable: true,
    description: 'Bytes in both directions, in each period where it resets; null is unlimited.',
  })
  trafficLimit?: bigint | null;
}
