import { Arg, Args, Ctx, ID, Int, Mutation, Query, Resolver } from 'type-graphql';
import type { Context } from '../../../context.ts';
import { PageArgs } from '../../../platform/graphql/connection.ts';
import type { Page } from '../../../platform/pagination/page.ts';
import { AdminOnly, CurrentUser } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { deleteRedemptionCodes } from './delete-redemption-codes.ts';
import { type CodeOfBatch, listRedemptionCodes } from './list-redemption-codes.ts';
import {
  RedemptionCode,
  RedemptionCodeConnection,
  RedemptionCodeFilter,
  UpdateRedemptionCodeInput,
} from './redemption-code.types.ts';
import { setRedemptionCodesEnabled } from './set-redemption-codes-enabled.ts';
import { updateRedemptionCode } from './update-redemption-code.ts';

@Resolver()
export class RedemptionCodeAdminResolver {
  @AdminOnly()
  @Query(() => RedemptionCodeConnection, {
    nullable: true,
    description: 'Codes that are not deleted, newest first.',
  })
  redemptionCodes(
    @Arg('filter', () => RedemptionCodeFilter, {
      nullable: true,
      description: 'Defaults to all codes.',
    })
    filter: RedemptionCodeFilter | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<Page<CodeOfBatch>> {
    return listRedemptionCodes(context, { filter: filter ?? {}, page });
  }

  @AdminOnly()
  @Mutation(() => RedemptionCode, {
    description: 'Changes one code. Orders that were accepted before are still activated.',
  })
  updateRedemptionCode(
    @Arg('id', () => ID, { description: 'UUID of the code.' }) id: string,
    @Arg('input', () => UpdateRedemptionCodeInput, { description: 'The fields to change.' })
    input: UpdateRedemptionCodeInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<CodeOfBatch> {
    return updateRedemptionCode(context, { actorId: userId, id, input });
  }

  @AdminOnly()
  @Mutation(() => Int, {
    description:
      'Enables or disables codes by id, or a whole batch, and returns the number of codes that changed. A code can be redeemed only while both it and its batch are enabled.',
  })
  setRedemptionCodesEnabled(
    @Arg('enabled', () => Boolean, { description: 'True to enable, false to disable.' }) enabled: boolean,
    @Arg('ids', () => [ID], { nullable: true, description: 'Ids of 1-1000 codes.' }) ids: string[] | null,
    @Arg('batchId', () => ID, {
      nullable: true,
      description: 'Instead of `ids`: enables or disables this batch as a whole.',
    })
    batchId: string | null,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<number> {
    return setRedemptionCodesEnabled(context, { actorId: userId, ids, batchId, enabled });
  }

  @AdminOnly()
  @Mutation(() => Int, {
    description:
      'Deletes codes by id, or a whole batch, and returns the number of deleted codes. Redemption records are kept, and accepted orders are still activated.',
  })
  deleteRedemptionCodes(
    @Arg('ids', () => [ID], { nullable: true, description: 'Ids of 1-1000 codes.' }) ids: string[] | null,
    @Arg('batchId', () => ID, {
      nullable: true,
      description: 'Instead of `ids`: deletes this batch with all of its codes.',
    })
    batchId: string | null,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<number> {
    return deleteRedemptionCodes(context, { actorId: userId, ids, batchId });
  }
}
