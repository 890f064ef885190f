import { Ctx, FieldResolver, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import type { RedemptionBatch as BatchRow } from '../../../generated/prisma/client.ts';
import { getPlan } from '../../catalog/plan/get-plan.ts';
import { Plan } from '../../catalog/plan/plan.types.ts';
import { BatchTotals, RedemptionBatch } from './code-batch.types.ts';
import { csvUrl } from './csv-link.ts';

@Resolver(() => RedemptionBatch)
export class RedemptionBatchResolver {
  @FieldResolver(() => Plan, { description: 'The plan that its codes grant.' })
  plan(@Root() { planId }: BatchRow, @Ctx() context: Context): Promise<Plan> {
    return getPlan(context, planId);
  }

  @FieldResolver(() => Boolean, { description: 'Whether all of its codes are there.' })
  ready(@Root() { count, created }: BatchRow): boolean {
    return created === count;
  }

  @FieldResolver(() => String, {
    nullable: true,
    description:
      'Where its codes can be fetched as CSV: once, within five minutes, by whoever has this link. Null until it is ready.',
  })
  csvUrl(@Root() batch: BatchRow, @Ctx() context: Context): Promise<string | null> {
    return csvUrl(context, batch);
  }

  @FieldResolver(() => BatchTotals, {
    description: 'What has become of its codes. Counting takes the longer the more of them were redeemed.',
  })
  totals(@Root() { id }: BatchRow, @Ctx() context: Context): Promise<BatchTotals> {
    return context.batchTotals.add(id);
  }
}
