import { Field, InputType, Int, ObjectType } from 'type-graphql';
import { UnitTime } from '../../../generated/prisma/client.ts';
import { BigIntScalar, DateTimeScalar } from '../../../platform/graphql/scalars.ts';
import { Plan } from '../../catalog/plan/plan.types.ts';
import type { RedemptionOutcome } from './preview-redemption.ts';

@InputType({ description: 'A code to redeem.' })
export class RedeemCodeInput {
  @Field(() => String, {
    description:
      'The code as typed. Case, spaces and hyphens are ignored; O is read as 0, I and L are read as 1.',
  })
  code!: string;

  @Field(() => String, {
    nullable: true,
    description:
      '1-64 characters that identify this request. Retries with the same key return the same order.',
  })
  idempotencyKey?: string | null;
}

@ObjectType({ description: 'The outcome of redeeming a code, computed without using it.' })
export class RedemptionPreview implements Omit<RedemptionOutcome, 'plan' | 'extendedSubscriptionId'> {
  @Field(() => Plan, { description: 'The plan that the code grants.' })
  plan!: Plan;

  @Field(() => UnitTime, { description: 'The unit of `quantity`.' })
  unitTime!: UnitTime;

  @Field(() => Int, { description: 'The time that the code grants, in units of `unitTime`.' })
  quantity!: number;

  @Field(() => DateTimeScalar, {
    description: 'When the subscription would start, or when the extended one started.',
  })
  startsAt!: Date;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When the subscription would expire; null if it never would.',
  })
  expiresAt!: Date | null;

  @Field(() => BigIntScalar, {
    nullable: true,
    description: 'The traffic limit that the subscription would have, in bytes; null if unlimited.',
  })
  trafficLimit!: bigint | null;

  @Field(() => Boolean, {
    description: "Whether it would be your account's first PAID or FINISHED order.",
  })
  isNew!: boolean;
}
