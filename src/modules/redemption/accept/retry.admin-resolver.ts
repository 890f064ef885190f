import { Arg, Ctx, ID, Mutation, Resolver } from 'type-graphql';
import type { Context } from '../../../context.ts';
import type { Order as OrderRow } from '../../../generated/prisma/client.ts';
import { AdminOnly, CurrentUser } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { Order } from '../order/order.types.ts';
import { retryOrders } from './retry-orders.ts';

@Resolver()
export class RetryAdminResolver {
  @AdminOnly()
  @Mutation(() => [Order], {
    description:
      'Accepts FAILED orders again, all or none: reserves one use of each code and queues the orders for activation.',
  })
  retryOrders(
    @Arg('ids', () => [ID], { description: 'Ids of 1-100 FAILED orders.' }) ids: string[],
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<OrderRow[]> {
    return retryOrders(context, { actorId: userId, ids });
  }
}
