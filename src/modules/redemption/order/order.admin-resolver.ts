import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import type { Order as OrderRow } from '../../../generated/prisma/client.ts';
import { PageArgs } from '../../../platform/graphql/connection.ts';
import type { Page } from '../../../platform/pagination/page.ts';
import { AdminOnly, CurrentUser } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { findOwner } from '../../lifecycle/account/get-viewer.ts';
import { User } from '../../lifecycle/account/user.types.ts';
import { retryOrders } from '../accept/retry-orders.ts';
import { listOrders } from './list-orders.ts';
import { Order, OrderConnection, OrderFilter, OrderOrderBy } from './order.types.ts';

@Resolver(() => Order)
export class OrderAdminResolver {
  @AdminOnly()
  @Query(() => OrderConnection, { nullable: true, description: 'Orders.' })
  orders(
    @Arg('filter', () => OrderFilter, {
      nullable: true,
      description: 'Which orders; absent: all but CLOSED ones.',
    })
    filter: OrderFilter | null,
    @Arg('orderBy', () => OrderOrderBy, { nullable: true, description: 'Absent: the newest first.' })
    orderBy: keyof typeof OrderOrderBy | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<Page<OrderRow>> {
    return listOrders(context, { filter: filter ?? {}, orderBy, page });
  }

  @AdminOnly()
  @Mutation(() => [Order], {
    description:
      'Accepts FAILED orders once more, all or none: reserves a use of each code, then queues them.',
  })
  retryOrders(
    @Arg('ids', () => [ID], { description: 'Ids of 1-100 FAILED orders.' }) ids: string[],
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<OrderRow[]> {
    return retryOrders(context, { actorId: userId, ids });
  }

  @FieldResolver(() => User, { nullable: true, description: 'Whose it is; for admins, null for others.' })
  user(@Root() { userId }: OrderRow, @Ctx() context: Context): Promise<User | null> {
    return findOwner(context, { userId });
  }
}
