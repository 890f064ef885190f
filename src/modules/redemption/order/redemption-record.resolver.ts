import { Arg, Args, Ctx, FieldResolver, Query, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import type { Order as OrderRow, Redemption as RedemptionRow } from '../../../generated/prisma/client.ts';
import { PageArgs } from '../../../platform/graphql/connection.ts';
import type { Page } from '../../../platform/pagination/page.ts';
import { getPlan } from '../../catalog/plan/get-plan.ts';
import { Plan } from '../../catalog/plan/plan.types.ts';
import { AdminOnly } from '../../kernel/access.ts';
import { getOrderOf } from './get-order.ts';
import { listRedemptions } from './list-redemptions.ts';
import { Order } from './order.types.ts';
import { Redemption, RedemptionConnection, RedemptionFilter } from './redemption-record.types.ts';

@Resolver(() => Redemption)
export class RedemptionRecordResolver {
  @AdminOnly()
  @Query(() => RedemptionConnection, {
    nullable: true,
    description: 'Redemption records of all users, newest first, including those of deleted codes.',
  })
  redemptions(
    @Arg('filter', () => RedemptionFilter, {
      nullable: true,
      description: 'Defaults to all records.',
    })
    filter: RedemptionFilter | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<Page<RedemptionRow>> {
    return listRedemptions(context, { filter: filter ?? {}, page });
  }

  @FieldResolver(() => Order, { description: 'The order that redeemed the code.' })
  order(@Root() { orderId }: RedemptionRow, @Ctx() context: Context): Promise<OrderRow> {
    return getOrderOf(context, orderId);
  }

  @FieldResolver(() => Plan, { description: 'The plan that the code granted.' })
  plan(@Root() { planId }: RedemptionRow, @Ctx() context: Context): Promise<Plan> {
    return getPlan(context, planId);
  }
}
