import { Field, ID, Int, ObjectType } from 'type-graphql';
import { type RedemptionBatch as BatchRow, UnitTime } from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { DateTimeScalar } from '../../../platform/graphql/scalars.ts';
import type { BatchTotals as Totals } from '../code/count-codes.ts';

type BatchFields = Pick<
  BatchRow,
  | 'id'
  | 'unitTime'
  | 'quantity'
  | 'maxUses'
  | 'count'
  | 'created'
  | 'enabled'
  | 'label'
  | 'note'
  | 'expiresAt'
  | 'createdAt'
>;

@ObjectType({ description: 'Codes that were made together.' })
export class RedemptionBatch implements BatchFields {
  @Field(() => ID, { description: 'UUID.' })
  id!: string;

  @Field(() => UnitTime, { description: 'The unit of the time that each code grants.' })
  unitTime!: UnitTime;

  @Field(() => Int, { description: 'How many units each code grants.' })
  quantity!: number;

  @Field(() => Int, {
    nullable: true,
    description: 'How many users may redeem each code; null is unlimited.',
  })
  maxUses!: number | null;

  @Field(() => Int, { description: 'How many codes it is to have.' })
  count!: number;

  @Field(() => Int, { description: 'How many of them are there so far.' })
  created!: number;

  @Field(() => Boolean, { description: 'Whether it is switched on: its codes redeem only then.' })
  enabled!: boolean;

  @Field(() => String, { nullable: true, description: 'What it is called.' })
  label!: string | null;

  @Field(() => String, { nullable: true, description: 'A note of the admins.' })
  note!: string | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'Until when its codes redeem; null is for ever.',
  })
  expiresAt!: Date | null;

  @Field(() => DateTimeScalar, { description: 'When it was made.' })
  createdAt!: Date;
}

export const RedemptionBatchConnection = Connection(RedemptionBatch, 'RedemptionBatch');

@ObjectType({ description: 'What has become of the codes of a batch.' })
export class BatchTotals implements Totals {
  @Field(() => Int, { description: 'Codes that are there, and not deleted.' })
  codes!: number;

  @Field(() => Int, { description: 'Uses that were redeemed, of deleted codes too.' })
  used!: number;

  @Field(() => Int, { description: 'Uses that are promised to orders on their way.' })
  reserved!: number;

  @Field(() => Int, { description: 'Codes that were redeemed at least once.' })
  redeemedCodes!: number;
}
