import { Field, ID, InputType, ObjectType } from 'type-graphql';
import type { Redemption as RedemptionRow } from '../../../generated/prisma/client.ts';
import { Connection } from '../../../platform/graphql/connection.ts';
import { DateTimeScalar } from '../../../platform/graphql/scalars.ts';

type RedemptionFields = Pick<
  RedemptionRow,
  'id' | 'userId' | 'codeId' | 'batchId' | 'codeHint' | 'redeemedAt'
>;

@ObjectType({ description: 'The permanent record that a user redeemed a code.' })
export class Redemption implements RedemptionFields {
  @Field(() => ID, { description: 'UUID of the record.' })
  id!: string;

  @Field(() => ID, {
    description: 'The account that owns the record. A merge moves it to the remaining account.',
  })
  userId!: string;

  @Field(() => ID, { description: 'The code that was redeemed. It may have been deleted since.' })
  codeId!: string;

  @Field(() => ID, { description: 'The batch of the code.' })
  batchId!: string;

  @Field(() => String, {
    description:
      'The last four characters of the code; fewer, after asterisks, of a code that has less than 16.',
  })
  codeHint!: string;

  @Field(() => DateTimeScalar, { description: 'When the order of the code was activated.' })
  redeemedAt!: Date;
}

export const RedemptionConnection = Connection(Redemption, 'Redemption');

@InputType({
  description: 'Conditions on redemption records, combined with AND. Absent and null conditions are ignored.',
})
export class RedemptionFilter {
  @Field(() => ID, { nullable: true, description: 'Only records that this account owns.' })
  userId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Only records of this code.' })
  codeId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Only records of codes in this batch.' })
  batchId?: string | null;

  @Field(() => ID, { nullable: true, description: 'Only records of codes that granted this plan.' })
  planId?: string | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Redeemed at or after this time.' })
  from?: Date | null;

  @Field(() => DateTimeScalar, { nullable: true, description: 'Redeemed before this time.' })
  to?: Date | null;
}
