import { Arg, Args, Ctx, FieldResolver, Query, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import type { Order as OrderRow } from '../../../generated/prisma/client.ts';
import { PageArgs } from '../../../platform/graphql/connection.ts';
import type { Page } from '../../../platform/pagination/page.ts';
import { AdminOnly } from '../../kernel/access.ts';
import { findOwner } from '../../lifecycle/account/get-user.ts';
import { User } from '../../lifecycle/account/user.types.ts';
import { listOrders } from './list-orders.ts';
import { Order, OrderConnection, OrderFilter, OrderOrderBy } from './order.types.ts';

@Resolver(() => Order)
export class OrderAdminResolver {
  @AdminOnly()
  @Query(() => OrderConnection, { nullable: true, description: 'The orders of all users.' })
  orders(
    @Arg('filter', () => OrderFilter, {
      nullable: true,
      description: 'Defaults to all orders except CLOSED ones.',
    })
    filter: OrderFilter | null,
    @Arg('orderBy', () => OrderOrderBy, { nullable: true, description: 'Defaults to newest first.' })
    orderBy: keyof typeof OrderOrderBy | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<Page<OrderRow>> {
    return listOrders(context, { filter: filter ?? {}, orderBy, page });
  }

  @FieldResolver(() => User, {
    nullable: true,
    description: 'The owner of the order; null unless the caller is an admin.',
  })
  user(@Root() { userId }: OrderRow, @Ctx() context: Context): Promise<User | null> {
    return findOwner(context, { userId });
  }
}
