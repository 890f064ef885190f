import { Field, ID, InputType, Int, ObjectType } from 'type-graphql';
import type { RedemptionCode as CodeRow } from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { DateTimeScalar } from '../../../platform/graphql/scalars.ts';
import { RedemptionBatch } from '../batch/code-batch.types.ts';

type CodeFields = Pick<
  CodeRow,
  'id' | 'maxUses' | 'usedCount' | 'reservedCount' | 'expiresAt' | 'note' | 'version' | 'createdAt'
>;

@ObjectType({ description: 'A code that users redeem for time on a plan.' })
export class RedemptionCode implements CodeFields {
  @Field(() => ID, { description: 'UUID of the code. Users redeem `code`, not this id.' })
  id!: string;

  @Field(() => RedemptionBatch, { description: 'The batch that the code belongs to.' })
  batch!: RedemptionBatch;

  @Field(() => Int, {
    nullable: true,
    description: 'How many users can redeem the code, each of them once; null if unlimited.',
  })
  maxUses!: number | null;

  @Field(() => Int, { description: 'Number of uses that were redeemed.' })
  usedCount!: number;

  @Field(() => Int, { description: 'Number of uses that are reserved by PAID orders.' })
  reservedCount!: number;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When the code expires; null if it never does.',
  })
  expiresAt!: Date | null;

  @Field(() => String, { nullable: true, description: 'A note that only admins see; null if not set.' })
  note!: string | null;

  @Field(() => Int, {
    description: 'Increases with each edit. Pass it to `updateRedemptionCode` to detect concurrent edits.',
  })
  version!: number;

  @Field(() => DateTimeScalar, { description: 'When the code was generated or imported.' })
  createdAt!: Date;
}

export const RedemptionCodeConnection = Connection(RedemptionCode, 'RedemptionCode');

@InputType({
  description: 'Conditions on codes, combined with AND. Absent and null conditions are ignored.',
})
export class RedemptionCodeFilter {
  @Field(() => ID, { nullable: true, description: 'Only the code with this id.' })
  id?: string | null;

  @Field(() => ID, { nullable: true, description: 'Only codes of this batch.' })
  batchId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Only codes that grant this plan.' })
  planId?: string | null;

  @Field(() => String, {
    nullable: true,
    description: 'Only this code, as typed; case, spaces and hyphens are ignored.',
  })
  code?: string | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'True: only codes that are enabled and whose batch is enabled. False: only all others.',
  })
  enabled?: boolean | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'True: only codes whose uses are all redeemed. False: only all others.',
  })
  exhausted?: boolean | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'True: only codes that have expired. False: only all others.',
  })
  expired?: boolean | null;
}

@InputType({ description: 'Changes to a code. Absent fields keep their value.' })
export class UpdateRedemptionCodeInput {
  @Field(() => Int, {
    nullable: true,
    description:
      'The version that was read. Fails with EDIT_CONFLICT if it has changed since. If absent, the last write wins.',
  })
  version?: number | null;

  @Field(() => Int, {
    nullable: true,
    description:
      'How many users can redeem the code, at least the number of redeemed and reserved uses; null for unlimited.',
  })
  maxUses?: number | null;

  @Field(() => DateTimeScalar, {
    nullable: true,
    description: 'When the code expires; null for never. A time in the past expires it immediately.',
  })
  expiresAt?: Date | null;

  @Field(() => Boolean, {
    nullable: true,
    description: 'Whether the code is enabled. It can be redeemed only while its batch is enabled, too.',
  })
  enabled?: boolean | null;

  @Field(() => String, {
    nullable: true,
    description: 'A note that only admins see, at most 1000 characters; null removes it.',
  })
  note?: string | null;
}
