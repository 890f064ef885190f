import { Arg, Ctx, ID, Mutation, Resolver } from 'type-graphql';
import type { Context } from '../../context.ts';
import { CurrentUser, SignedIn } from '../kernel/access.ts';
import type { UserCaller } from '../kernel/caller.ts';
import { rotateSubscriptionCredentials } from './rotate-credentials.ts';
import { UserSubscription } from './subscription.types.ts';

@Resolver(() => UserSubscription)
export class SubscriptionResolver {
  @SignedIn()
  @Mutation(() => UserSubscription, {
    description:
      'Replaces the credential and the token of a subscription; the old ones stop working. Users can rotate their own subscriptions, admins any.',
  })
  rotateSubscriptionCredentials(
    @Arg('id', () => ID, { description: 'UUID of the subscription.' }) id: string,
    @CurrentUser() caller: UserCaller,
    @Ctx() context: Context,
  ): Promise<UserSubscription> {
    return rotateSubscriptionCredentials(context, { caller, id });
  }
}
