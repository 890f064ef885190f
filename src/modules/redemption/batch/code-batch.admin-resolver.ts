import { Arg, Args, Ctx, ID, Query, Resolver, Root, Subscription } from 'type-graphql';
import type { Context } from '../../../context.ts';
import type { RedemptionBatch as BatchRow } from '../../../generated/prisma/client.ts';
import { PageArgs } from '../../../platform/graphql/connection.ts';
import type { Page } from '../../../platform/pagination/page.ts';
import { AdminOnly } from '../../kernel/access.ts';
import { RedemptionBatch, RedemptionBatchConnection } from './code-batch.types.ts';
import { listBatches } from './list-batches.ts';
import { watchBatch } from './watch-batch.ts';

@Resolver()
export class CodeBatchAdminResolver {
  @AdminOnly()
  @Query(() => RedemptionBatchConnection, {
    nullable: true,
    description: 'Batches of codes, the newest first.',
  })
  redemptionBatches(@Args(() => PageArgs) page: PageArgs, @Ctx() context: Context): Promise<Page<BatchRow>> {
    return listBatches(context, { page });
  }

  @AdminOnly()
  @Subscription(() => RedemptionBatch, {
    description:
      'The batch as it is now, then again as its codes are made; completes when all of them are there.',
    subscribe: ({ args, context }: { args: { id: string }; context: Context }) => watchBatch(context, args),
  })
  batchProgressChanged(
    @Arg('id', () => ID, { description: 'The id of the batch.' }) _id: string,
    @Root() batch: BatchRow,
  ): BatchRow {
    return batch;
  }
}
