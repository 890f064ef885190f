import { Ctx, FieldResolver, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import { UserSubscription } from '../../subscription/subscription.types.ts';
import type { SubscriptionWithPlan } from '../../subscription/subscription-columns.ts';
import { listSubscriptionNodes } from '../node-list/subscription-nodes.ts';
import { SubscriptionNode } from './node.types.ts';

@Resolver(() => UserSubscription)
export class SubscriptionNodeResolver {
  @FieldResolver(() => [SubscriptionNode], {
    description: 'Nodes that the subscription can use, in display order; empty unless it is ACTIVE.',
  })
  nodes(
    @Root() subscription: SubscriptionWithPlan & { nodes?: SubscriptionNode[] },
    @Ctx() context: Context,
  ): SubscriptionNode[] | Promise<SubscriptionNode[]> {
    return subscription.nodes ?? listSubscriptionNodes(context, subscription);
  }
}
