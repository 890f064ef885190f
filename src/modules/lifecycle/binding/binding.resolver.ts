import { Arg, Ctx, FieldResolver, Query, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import { Public } from '../../kernel/access.ts';
import type { SubscriptionMove as Move } from '../../subscription/decide-merge.ts';
import { getSubscription } from '../../subscription/get-subscription.ts';
import { UserSubscription } from '../../subscription/subscription.types.ts';
import { PendingBinding, SubscriptionMove } from './binding.types.ts';
import { getPendingBinding } from './get-pending-binding.ts';

@Resolver(() => SubscriptionMove)
export class BindingResolver {
  @Public()
  @Query(() => PendingBinding, {
    nullable: true,
    description:
      'What DEVICE_LIMIT_REACHED or DEVICE_BOUND_ELSEWHERE ask to decide, for whoever has the token.',
  })
  pendingBinding(
    @Arg('token', () => String, { description: 'The confirmationToken of the refusal.' }) token: string,
    @Ctx() context: Context,
  ): Promise<PendingBinding> {
    return getPendingBinding(context, token);
  }

  @FieldResolver(() => UserSubscription, { description: 'The subscription as it is now.' })
  async subscription(@Root() { subscription }: Move, @Ctx() context: Context): Promise<UserSubscription> {
    const found = await getSubscription(context, subscription.id);
    if (!found) throw new Error('a subscription is missing that is about to move');
    return found;
  }
}
