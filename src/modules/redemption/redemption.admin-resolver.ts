import { Arg, Args, Ctx, Mutation, Query, Resolver } from 'type-graphql';
import type { Context } from '../../context.ts';
import { PageArgs } from '../../platform/graphql/connection.ts';
import type { Page } from '../../platform/page.ts';
import { AdminOnly, CurrentUser } from '../auth/access.ts';
import type { UserCaller } from '../auth/caller.ts';
import { createRedemptionCodes } from './create-redemption-codes.ts';
import { type CodeOfBatch, listRedemptionCodes } from './list-redemption-codes.ts';
import {
  CreateRedemptionCodesInput,
  RedemptionBatch,
  RedemptionCodeConnection,
  RedemptionCodeFilter,
} from './redemption.types.ts';

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
  @Mutation(() => RedemptionBatch, {
    description:
      'Makes a batch of codes; they are there when the answer comes. Read them by redemptionCodes.',
  })
  createRedemptionCodes(
    @Arg('input', () => CreateRedemptionCodesInput, { description: 'The batch.' })
    input: CreateRedemptionCodesInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<RedemptionBatch> {
    return createRedemptionCodes(context, { actorId: userId, input });
  }
}
