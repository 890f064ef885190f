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
      'Gives a subscription a new credential and token; the old ones stop working. For admins: any.',
  })
  rotateSubscriptionCredentials(
    @Arg('id', () => ID, { description: 'Which subscription.' }) id: string,
    @CurrentUser() caller: UserCaller,
    @Ctx() context: Context,
  ): Promise<UserSubscription> {
    return rotateSubscriptionCredentials(context, { caller, id });
  }
}
