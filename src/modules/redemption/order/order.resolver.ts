import { Arg, Ctx, FieldResolver, ID, Query, Resolver, Root, Subscription } from 'type-graphql';
import type { Context } from '../../../context.ts';
import type { Order as OrderRow } from '../../../generated/prisma/client.ts';
import { getPlan } from '../../catalog/plan/get-plan.ts';
import { Plan } from '../../catalog/plan/plan.types.ts';
import { CurrentUser, SignedIn } from '../../kernel/access.ts';
import { type UserCaller, userOf } from '../../kernel/caller.ts';
import { getSubscription } from '../../subscription/get-subscription.ts';
import { UserSubscription } from '../../subscription/subscription.types.ts';
import { getOrder } from './get-order.ts';
import { Order, Propagation } from './order.types.ts';
import { getPropagation } from './propagation.ts';
import type { WatchedOrder } from './read-watched-orders.ts';
import { watchOrder } from './watch-order.ts';

@Resolver(() => Order)
export class OrderResolver {
  @SignedIn()
  @Query(() => Order, { nullable: true, description: 'One of your orders; admins can read any order.' })
  order(
    @Arg('id', () => ID, { description: 'UUID of the order.' }) id: string,
    @CurrentUser() caller: UserCaller,
    @Ctx() context: Context,
  ): Promise<OrderRow> {
    return getOrder(context, { caller, id });
  }

  @SignedIn()
  @Subscription(() => Order, {
    description:
      'Sends the current order first, then the order after each change. Completes once its status is no longer PAID.',
    subscribe: ({ args, context }: { args: { id: string }; context: Context }) =>
      watchOrder(context, { caller: userOf(context.caller), id: args.id }),
  })
  orderStatusChanged(
    @Arg('id', () => ID, { description: 'UUID of the order.' }) _id: string,
    @Root() order: OrderRow,
  ): OrderRow {
    return order;
  }

  @FieldResolver(() => Plan, { description: 'The plan that the order grants.' })
  plan(@Root() order: OrderRow | WatchedOrder, @Ctx() context: Context): Plan | Promise<Plan> {
    return 'plan' in order ? order.plan : getPlan(context, order.planId);
  }

  @FieldResolver(() => UserSubscription, {
    nullable: true,
    description: 'The subscription that the order started or extended; null unless FINISHED.',
  })
  subscription(
    @Root() order: OrderRow | WatchedOrder,
    @Ctx() context: Context,
  ): UserSubscription | null | Promise<UserSubscription | null> {
    return 'subscription' in order ? order.subscription : getSubscription(context, order.subscriptionId);
  }

  @FieldResolver(() => Propagation, {
    nullable: true,
    description:
      "How many of the plan's servers have applied the activation. Null unless the order is FINISHED and the caller is an admin.",
  })
  propagation(@Root() { id: orderId }: OrderRow, @Ctx() context: Context): Promise<Propagation | null> {
    return getPropagation(context, { caller: context.caller, orderId });
  }
}
