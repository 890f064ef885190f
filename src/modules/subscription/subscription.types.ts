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
  description: 'Whether a subscription can be used, and why not.',
  valuesConfig: {
    ACTIVE: { description: 'Usable: neither expired nor exhausted nor stopped.' },
    EXHAUSTED: {
      description:
        'The traffic limit is reached. A reset, an extension or a higher limit makes it ACTIVE again.',
    },
    EXPIRED: { description: 'The time in `expiresAt` has passed.' },
    STOPPED: { description: 'Stopped by an admin, or because its account was closed or merged.' },
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

@ObjectType({ description: "A user's access to a plan, with its own expiry and traffic counters." })
export class UserSubscription implements SubscriptionFields {
  @Field(() => ID, { description: 'UUID.' })
  id!: string;

  @Field(() => Plan, { description: 'The plan, even if it has been deleted since.' })
  plan!: Plan;

  @Field(() => SubscriptionStatus, {
    description: 'Current status: EXPIRED as soon as `expiresAt` has passed.',
  })
  status!: SubscriptionStatus;

  @Field(() => DateTimeScalar, { description: 'When the subscription started.' })
  startsAt!: Date;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When the subscription expires. Null if it never does.',
  })
  expiresAt!: Date | null;

  @Field(() => BigIntScalar, {
    nullable: true,
    description: 'Limit of uploaded plus downloaded bytes. Null is unlimited.',
  })
  trafficLimit!: bigint | null;

  @Field(() => BigIntScalar, { description: 'Bytes uploaded since the last reset.' })
  upload!: bigint;

  @Field(() => BigIntScalar, { description: 'Bytes downloaded since the last reset.' })
  download!: bigint;

  @Field(() => String, {
    description: 'Identifies the subscription to programs without a session. A secret.',
  })
  token!: string;

  @Field(() => String, { description: 'UUID that authenticates the user at the nodes. A secret.' })
  credential!: string;

  @Field(() => Int, {
    description:
      'Increases with each change. Pass it to `updateUserSubscription` to detect concurrent edits.',
  })
  version!: number;
}

export const UserSubscriptionConnection = Connection(UserSubscription, 'UserSubscription');

export const UserSubscriptionOrderBy = OrderBy('UserSubscription', SUBSCRIPTION_SORTS, {
  CREATED_AT_DESC: 'Newest first.',
  CREATED_AT_ASC: 'Oldest first.',
  EXPIRES_AT_DESC: 'Latest expiry first; subscriptions that never expire come last.',
  EXPIRES_AT_ASC: 'Earliest expiry first; subscriptions that never expire come last.',
});

@InputType({
  description: 'Conditions on subscriptions, combined with AND. Absent and null conditions are ignored.',
})
export class UserSubscriptionFilter {
  @Field(() => ID, { nullable: true, description: 'UUID of the owner.' })
  userId?: string | null;

  @Field(() => ID, { nullable: true, description: 'UUID of the plan.' })
  planId?: string | null;

  @Field(() => SubscriptionStatus, {
    nullable: true,
    description: 'Current status: EXPIRED as soon as `expiresAt` has passed.',
  })
  status?: SubscriptionStatus | null;
}

@InputType({ description: 'Changes to a subscription. Absent fields keep their value.' })
export class UpdateUserSubscriptionInput {
  @Field(() => Int, {
    nullable: true,
    description:
      'The version that was read. Fails with EDIT_CONFLICT if the subscription has changed since. If absent, the last write wins.',
  })
  version?: number | null;

  @Field(() => SubscriptionStatus, {
    nullable: true,
    description:
      'STOPPED removes the user from the servers. ACTIVE resumes the subscription, or makes it EXHAUSTED if its traffic is used up. Other values are rejected.',
  })
  status?: SubscriptionStatus | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When the subscription expires. Null if it never does.',
  })
  expiresAt?: Date | null;

  @Field(() => BigIntScalar, {
    nullable: true,
    description:
      'Limit of uploaded plus downloaded bytes, per period if the traffic resets. Null is unlimited.',
  })
  trafficLimit?: bigint | null;
}
