import { Arg, Ctx, FieldResolver, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import type { RedemptionBatch as BatchRow } from '../../../generated/prisma/client.ts';
import { getPlan } from '../../catalog/plan/get-plan.ts';
import { Plan } from '../../catalog/plan/plan.types.ts';
import { getBatchTotals } from './batch-reads.ts';
import { BatchTotals, RedemptionBatch } from './code-batch.types.ts';
import { csvUrl } from './csv-link.ts';

@Resolver(() => RedemptionBatch)
export class RedemptionBatchResolver {
  @FieldResolver(() => Plan, { description: 'The plan that the codes of the batch grant.' })
  plan(@Root() { planId }: BatchRow, @Ctx() context: Context): Promise<Plan> {
    return getPlan(context, planId);
  }

  @FieldResolver(() => Boolean, { description: 'Whether all codes of the batch exist.' })
  ready(@Root() { count, created }: BatchRow): boolean {
    return created === count;
  }

  @FieldResolver(() => String, {
    nullable: true,
    description:
      'A link to download the codes as CSV. It works once, within five minutes, and without signing in. Null until `ready`.',
  })
  csvUrl(
    @Root() batch: BatchRow,
    @Arg('byteOrderMark', () => Boolean, {
      defaultValue: false,
      description: 'Whether the file starts with a byte order mark, which Excel needs to read UTF-8.',
    })
    hasByteOrderMark: boolean,
    @Ctx() context: Context,
  ): Promise<string | null> {
    return csvUrl(context, batch, { hasByteOrderMark });
  }

  @FieldResolver(() => BatchTotals, {
    description: 'Counts of codes and uses. Slower for batches with many redemptions.',
  })
  totals(@Root() { id }: BatchRow, @Ctx() context: Context): Promise<BatchTotals> {
    return getBatchTotals(context, id);
  }
}
