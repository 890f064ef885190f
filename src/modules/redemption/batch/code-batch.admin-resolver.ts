import { Arg, Args, Ctx, ID, Mutation, Query, Resolver, Root, Subscription } from 'type-graphql';
import type { Context } from '../../../context.ts';
import type { RedemptionBatch as BatchRow } from '../../../generated/prisma/client.ts';
import { PageArgs } from '../../../platform/graphql/connection.ts';
import type { Page } from '../../../platform/pagination/page.ts';
import { AdminOnly, CurrentUser } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import {
  CreateRedemptionCodesInput,
  RedemptionBatch,
  RedemptionBatchConnection,
} from './code-batch.types.ts';
import { createRedemptionCodes } from './create-redemption-codes.ts';
import { listBatches } from './list-batches.ts';
import { watchBatch } from './watch-batch.ts';

@Resolver()
export class CodeBatchAdminResolver {
  @AdminOnly()
  @Query(() => RedemptionBatchConnection, {
    nullable: true,
    description: 'Batches that are not deleted, newest first.',
  })
  redemptionBatches(@Args(() => PageArgs) page: PageArgs, @Ctx() context: Context): Promise<Page<BatchRow>> {
    return listBatches(context, { page });
  }

  @AdminOnly()
  @Mutation(() => RedemptionBatch, {
    description:
      'Creates a batch of codes. The first 10,000 codes exist when it returns; a job generates the rest: watch it with `batchProgressChanged`.',
  })
  createRedemptionCodes(
    @Arg('input', () => CreateRedemptionCodesInput, {
      description: 'The terms of the codes, and either how many to generate or which to import.',
    })
    input: CreateRedemptionCodesInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<RedemptionBatch> {
    return createRedemptionCodes(context, { actorId: userId, input });
  }

  @AdminOnly()
  @Subscription(() => RedemptionBatch, {
    description:
      'Sends the current batch first, then the batch as its codes are generated. Completes once `ready` is true.',
    subscribe: ({ args, context }: { args: { id: string }; context: Context }) => watchBatch(context, args),
  })
  batchProgressChanged(
    @Arg('id', () => ID, { description: 'UUID of the batch.' }) _id: string,
    @Root() batch: BatchRow,
  ): BatchRow {
    return batch;
  }
}
