import { Field, ID, Int, ObjectType, registerEnumType } from 'type-graphql';
import {
  SubscriptionStatus,
  type UserSubscription as UserSubscriptionRow,
} from '../../generated/prisma/client.ts';
import { BigIntScalar, DateTimeScalar } from '../../platform/graphql/scalars.ts';
import { Plan } from '../plan/plan.types.ts';

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
