import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import {
  type RedemptionCode as CodeRow,
  type Redemption as RedemptionRow,
  UnitTime,
} from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { BigIntScalar, DateTimeScalar } from '../../../platform/graphql/scalars.ts';
import { Plan } from '../../catalog/plan/plan.types.ts';
import type { RedemptionPreview as Preview } from '../accept/preview-redemption.ts';
import { RedemptionBatch } from '../batch/code-batch.types.ts';

@InputType({ description: 'A code to redeem.' })
export class RedeemCodeInput {
  @Field(() => String, {
    description:
      'As it was typed: case, spaces and hyphens do not matter, and O, I and L are read as 0 and 1.',
  })
  code!: string;

  @Field(() => String, {
    nullable: true,
    description: 'Any 1-64 characters of your own: asking again with them answers with the same order.',
  })
  idempotencyKey?: string | null;
}

@ObjectType({ description: 'What redeeming a code would do. Nothing is consumed by looking.' })
export class RedemptionPreview implements Omit<Preview, 'plan' | 'extendedSubscriptionId'> {
  @Field(() => Plan, { description: 'The plan that the code grants.' })
  plan!: Plan;

  @Field(() => UnitTime, { description: 'The unit of the time that it grants.' })
  unitTime!: UnitTime;

  @Field(() => Int, { description: 'How many units it grants.' })
  quantity!: number;

  @Field(() => DateTimeScalar, { description: 'When the subscription begins, or began.' })
  startsAt!: Date;

  @Field(() => DateTimeScalar, { nullable: true, description: 'When it would end; null is never.' })
  expiresAt!: Date | null;

  @Field(() => BigIntScalar, { nullable: true, description: 'Bytes it would have; null is unlimited.' })
  trafficLimit!: bigint | null;

  @Field(() => Boolean, { description: 'Whether it would be your first order.' })
  isNew!: boolean;
}

type CodeFields = Pick<
  CodeRow,
  'id' | 'maxUses' | 'usedCount' | 'reservedCount' | 'expiresAt' | 'note' | 'version' | 'createdAt'
>;

@ObjectType({ description: 'A redemption code.' })
export class RedemptionCode implements CodeFields {
  @Field(() => ID, { description: 'UUID.' })
  id!: string;

  @Field(() => RedemptionBatch, { description: 'The batch it was made in.' })
  batch!: RedemptionBatch;

  @Field(() => Int, { nullable: true, description: 'How many users may redeem it; null is unlimited.' })
  maxUses!: number | null;

  @Field(() => Int, { description: 'How many users have redeemed it.' })
  usedCount!: number;

  @Field(() => Int, { description: 'Uses that are promised to orders on their way.' })
  reservedCount!: number;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Until when it redeems; null is for ever.' })
  expiresAt!: Date | null;

  @Field(() => String, { nullable: true, description: 'A note of the admins.' })
  note!: string | null;

  @Field(() => Int, { description: 'Goes up with each edit; send it back to notice edits by others.' })
  version!: number;

  @Field(() => DateTimeScalar, { description: 'When it was made.' })
  createdAt!: Date;
}

export const RedemptionCodeConnection = Connection(RedemptionCode, 'RedemptionCode');

type RedemptionFields = Pick<
  RedemptionRow,
  'id' | 'userId' | 'codeId' | 'batchId' | 'codeHint' | 'redeemedAt'
>;

@ObjectType({ description: 'The record that a user has redeemed a code.' })
export class Redemption implements RedemptionFields {
  @Field(() => ID, { description: 'UUID.' })
  id!: string;

  @Field(() => ID, { description: 'The account it belongs to.' })
  userId!: string;

  @Field(() => ID, { description: 'The code that was redeemed.' })
  codeId!: string;

  @Field(() => ID, { description: 'The batch that the code was made in.' })
  batchId!: string;

  @Field(() => String, { description: 'The last four characters of the code.' })
  codeHint!: string;

  @Field(() => DateTimeScalar, { description: 'When the code was redeemed.' })
  redeemedAt!: Date;
}

export const RedemptionConnection = Connection(Redemption, 'Redemption');

@InputType({ description: 'A batch of codes to be made, or imported.' })
export class CreateRedemptionCodesInput {
  @Field(() => ID, { description: 'The plan that the codes grant.' })
  planId!: string;

  @Field(() => UnitTime, { description: 'The unit of the time that each code grants.' })
  unitTime!: UnitTime;

  @Field(() => Int, { description: 'How many units each code grants, 1-36500.' })
  quantity!: number;

  @Field(() => Int, {
    nullable: true,
    defaultValue: 1,
    description: 'How many users may redeem each code, each once; null is unlimited.',
  })
  maxUses?: number | null;

  @Field(() => Int, { nullable: true, description: 'How many codes to make, 1-1000000.' })
  count?: number | null;

  @Field(() => [String], {
    nullable: true,
    description:
      'Instead of count: codes to import, at most 10000, and no more than fit into a request: send them as a variable.',
  })
  codes?: string[] | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'Until when the codes redeem; absent is for ever.',
  })
  expiresAt?: Date | null;

  @Field(() => String, { nullable: true, description: 'What the batch is called.' })
  label?: string | null;

  @Field(() => String, { nullable: true, description: 'A note.' })
  note?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      '1-64 characters: asking again with the same key answers with the same batch; for another one it is refused.',
  })
  idempotencyKey?: string | null;
}

@InputType({ description: 'Which codes; what is left out does not matter.' })
export class RedemptionCodeFilter {
  @Field(() => ID, { nullable: true, description: 'The one with this id.' })
  id?: string | null;

  @Field(() => ID, { nullable: true, description: 'Those of this batch.' })
  batchId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Those that grant this plan.' })
  planId?: string | null;

  @Field(() => String, { nullable: true, description: 'The one that reads like this.' })
  code?: string | null;

  @Field(() => Boolean, { nullable: true, description: 'Switched on, they and their batch; or not.' })
  enabled?: boolean | null;

  @Field(() => Boolean, { nullable: true, description: 'Used up; or not.' })
  exhausted?: boolean | null;

  @Field(() => Boolean, { nullable: true, description: 'Too old; or not.' })
  expired?: boolean | null;
}

@InputType({ description: 'What is to change of a code; what is absent stays.' })
export class UpdateRedemptionCodeInput {
  @Field(() => Int, {
    nullable: true,
    description: 'The version you have read: when somebody has edited the code since, EDIT_CONFLICT.',
  })
  version?: number | null;

  @Field(() => Int, {
    nullable: true,
    description: 'How many users may redeem it, at least as many as have; null is unlimited.',
  })
  maxUses?: number | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Until when it redeems; null is for ever.' })
  expiresAt?: Date | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether the code is switched on; its batch has a switch of its own.',
  })
  enabled?: boolean | null;

  @Field(() => String, { nullable: true, description: 'A note; null is none.' })
  note?: string | null;
}

@InputType({ description: 'Which records; what is left out does not matter.' })
export class RedemptionFilter {
  @Field(() => ID, { nullable: true, description: 'Those of this account.' })
  userId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Those of this code.' })
  codeId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Those of the codes of this batch.' })
  batchId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Those of this plan.' })
  planId?: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Redeemed at this time or later.' })
  from?: Date | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Redeemed before this time.' })
  to?: Date | null;
}
