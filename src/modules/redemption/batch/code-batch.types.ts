import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import { type RedemptionBatch as BatchRow, UnitTime } from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { DateTimeScalar } from '../../../platform/graphql/scalars.ts';
import type { BatchTotalsRow } from '../code/count-codes.ts';

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

@ObjectType({ description: 'Codes that were generated or imported together and share their terms.' })
export class RedemptionBatch implements BatchFields {
  @Field(() => ID, { description: 'UUID of the batch.' })
  id!: string;

  @Field(() => UnitTime, { description: 'The unit of `quantity`.' })
  unitTime!: UnitTime;

  @Field(() => Int, { description: 'The time that each code grants, in units of `unitTime`.' })
  quantity!: number;

  @Field(() => Int, {
    nullable: true,
    description: 'How many users can redeem each code, as set when the batch was created; null if unlimited.',
  })
  maxUses!: number | null;

  @Field(() => Int, { description: 'Number of codes that the batch has once it is `ready`.' })
  count!: number;

  @Field(() => Int, { description: 'Number of codes created so far, including deleted ones.' })
  created!: number;

  @Field(() => Boolean, {
    description: 'Whether the batch is enabled. If not, none of its codes can be redeemed.',
  })
  enabled!: boolean;

  @Field(() => String, { nullable: true, description: 'A name for the batch; null if not set.' })
  label!: string | null;

  @Field(() => String, { nullable: true, description: 'A note that only admins see; null if not set.' })
  note!: string | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When the codes expire, as set when the batch was created; null if they never do.',
  })
  expiresAt!: Date | null;

  @Field(() => DateTimeScalar, { description: 'When the batch was created.' })
  createdAt!: Date;
}

export const RedemptionBatchConnection = Connection(RedemptionBatch, 'RedemptionBatch');

@ObjectType({ description: 'Counts of the codes of a batch and of their uses.' })
export class BatchTotals implements BatchTotalsRow {
  @Field(() => Int, { description: 'Number of codes that exist and are not deleted.' })
  codes!: number;

  @Field(() => Int, { description: 'Number of redeemed uses, including those of deleted codes.' })
  used!: number;

  @Field(() => Int, { description: 'Number of uses that are reserved by PAID orders.' })
  reserved!: number;

  @Field(() => Int, { description: 'Number of codes that were redeemed at least once.' })
  redeemedCodes!: number;
}

@InputType({ description: 'A batch of codes to generate or to import. Give either `count` or `codes`.' })
export class CreateRedemptionCodesInput {
  @Field(() => ID, { description: 'The plan that the codes grant.' })
  planId!: string;

  @Field(() => UnitTime, { description: 'The unit of `quantity`.' })
  unitTime!: UnitTime;

  @Field(() => Int, {
    description:
      'The time that each code grants, in units of `unitTime`: 1 to 36500 days, 1200 months, 400 quarters, 200 half-years or 100 years.',
  })
  quantity!: number;

  @Field(() => Int, {
    nullable: true,
    defaultValue: 1,
    description: 'How many users can redeem each code, each of them once; null for unlimited.',
  })
  maxUses?: number | null;

  @Field(() => Int, { nullable: true, description: 'Number of codes to generate, 1-1000000.' })
  count?: number | null;

  @Field(() => [String], {
    nullable: true,
    description:
      'Codes to import, at most 10000. Pass them as a variable; the size limit of requests applies.',
  })
  codes?: string[] | null;

  @Field(() => Boolean, {
    nullable: true,
    defaultValue: false,
    description:
      'Whether to import codes that can be guessed: those of fewer than 48 bits, such as nine letters and digits, or numbered ones. Audited. Without it they are refused.',
  })
  allowGuessable?: boolean | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When the codes expire, in the future; absent or null for never.',
  })
  expiresAt?: Date | null;

  @Field(() => String, { nullable: true, description: 'A name for the batch, at most 100 characters.' })
  label?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'A note that only admins see, at most 1000 characters.',
  })
  note?: string | null;

  @Field(() => String, {
    nullable: true,
    description:
      '1-64 characters that identify this request. Retries with the same key and the same input return the same batch; other input fails with IDEMPOTENCY_KEY_REUSED.',
  })
  idempotencyKey?: string | null;
}
