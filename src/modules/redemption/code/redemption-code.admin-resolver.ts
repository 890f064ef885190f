import { Arg, Args, Ctx, ID, Int, Mutation, Query, Resolver } from 'type-graphql';
import type { Context } from '../../../context.ts';
import type { Redemption as RedemptionRow } from '../../../generated/prisma/client.ts';
import { PageArgs } from '../../../platform/graphql/connection.ts';
import type { Page } from '../../../platform/pagination/page.ts';
import { AdminOnly, CurrentUser } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { RedemptionBatch } from '../batch/code-batch.types.ts';
import { createRedemptionCodes } from '../batch/create-redemption-codes.ts';
import { listRedemptions } from '../order/list-redemptions.ts';
import { deleteRedemptionCodes } from './delete-redemption-codes.ts';
import { type CodeOfBatch, listRedemptionCodes } from './list-redemption-codes.ts';
import {
  CreateRedemptionCodesInput,
  RedemptionCode,
  RedemptionCodeConnection,
  RedemptionCodeFilter,
  RedemptionConnection,
  RedemptionFilter,
  UpdateRedemptionCodeInput,
} from './redemption-code.types.ts';
import { setRedemptionCodesEnabled } from './set-redemption-codes-enabled.ts';
import { updateRedemptionCode } from './update-redemption-code.ts';

@Resolver()
export class RedemptionAdminResolver {
  @AdminOnly()
  @Query(() => RedemptionCodeConnection, { nullable: true, description: 'Codes, the newest first.' })
  redemptionCodes(
    @Arg('filter', () => RedemptionCodeFilter, { nullable: true, description: 'Which codes; absent: all.' })
    filter: RedemptionCodeFilter | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<Page<CodeOfBatch>> {
    return listRedemptionCodes(context, { filter: filter ?? {}, page });
  }

  @AdminOnly()
  @Query(() => RedemptionConnection, {
    nullable: true,
    description: 'Records of what was redeemed, the latest first.',
  })
  redemptions(
    @Arg('filter', () => RedemptionFilter, { nullable: true, description: 'Which records; absent: all.' })
    filter: RedemptionFilter | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<Page<RedemptionRow>> {
    return listRedemptions(context, { filter: filter ?? {}, page });
  }

  @AdminOnly()
  @Mutation(() => RedemptionBatch, {
    description:
      'Makes a batch of codes. 10,000 are there when the answer comes, more a little later: see batchProgressChanged.',
  })
  createRedemptionCodes(
    @Arg('input', () => CreateRedemptionCodesInput, { description: 'The batch.' })
    input: CreateRedemptionCodesInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<RedemptionBatch> {
    return createRedemptionCodes(context, { actorId: userId, input });
  }

  @AdminOnly()
  @Mutation(() => RedemptionCode, {
    description: 'Changes one code. Orders that were accepted for it are activated all the same.',
  })
  updateRedemptionCode(
    @Arg('id', () => ID, { description: 'The id of the code.' }) id: string,
    @Arg('input', () => UpdateRedemptionCodeInput, { description: 'What is to change.' })
    input: UpdateRedemptionCodeInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<CodeOfBatch> {
    return updateRedemptionCode(context, { actorId: userId, id, input });
  }

  @AdminOnly()
  @Mutation(() => Int, {
    description:
      'Switches codes on or off, some by their ids, or a whole batch, and tells how many changed. A code redeems when it and its batch are switched on.',
  })
  setRedemptionCodesEnabled(
    @Arg('enabled', () => Boolean, { description: 'On or off.' }) enabled: boolean,
    @Arg('ids', () => [ID], { nullable: true, description: 'Ids of 1-1000 codes.' }) ids: string[] | null,
    @Arg('batchId', () => ID, { nullable: true, description: 'Instead of ids: the whole batch.' })
    batchId: string | null,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<number> {
    return setRedemptionCodesEnabled(context, { actorId: userId, ids, batchId, enabled });
  }

  @AdminOnly()
  @Mutation(() => Int, {
    description:
      'Deletes codes, some by their ids, or a whole batch, and tells how many. Redemptions keep their record.',
  })
  deleteRedemptionCodes(
    @Arg('ids', () => [ID], { nullable: true, description: 'Ids of 1-1000 codes.' }) ids: string[] | null,
    @Arg('batchId', () => ID, { nullable: true, description: 'Instead of ids: the whole batch.' })
    batchId: string | null,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<number> {
    return deleteRedemptionCodes(context, { actorId: userId, ids, batchId });
  }
}
