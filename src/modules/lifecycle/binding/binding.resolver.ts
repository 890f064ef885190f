import { Arg, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import { required } from '../../../platform/required.ts';
import { Device } from '../../identity/device/device.types.ts';
import { CurrentUser, Public, SignedIn } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import type { MergeDecision } from '../../subscription/decide-merge.ts';
import { getSubscription } from '../../subscription/get-subscription.ts';
import { UserSubscription } from '../../subscription/subscription.types.ts';
import { PendingBinding, SubscriptionMove } from './binding.types.ts';
import { getPendingBinding } from './get-pending-binding.ts';
import { unbindDevice } from './unbind-device.ts';

@Resolver(() => SubscriptionMove)
export class BindingResolver {
  @Public()
  @Query(() => PendingBinding, {
    nullable: true,
    description:
      'The binding that a `confirmationToken` would confirm. The token is the authorization; no login is needed.',
  })
  pendingBinding(
    @Arg('token', () => String, {
      description:
        'The `confirmationToken` of a DEVICE_LIMIT_REACHED or DEVICE_BOUND_ELSEWHERE error; valid for five minutes.',
    })
    token: string,
    @Ctx() context: Context,
  ): Promise<PendingBinding> {
    return getPendingBinding(context, token);
  }

  @SignedIn()
  @Mutation(() => Device, {
    description:
      'Removes one of your devices from your account and returns it as it was. Fails with DEVICE_DISABLED for a device that an admin has disabled. If it is the last way to log in, a live subscription makes this fail with LAST_IDENTITY; otherwise the account is closed.',
  })
  unbindDevice(
    @Arg('id', () => ID, { description: 'Id of one of your devices.' }) id: string,
    @Arg('rotateCredentials', () => Boolean, {
      nullable: true,
      description:
        'Whether your live subscriptions get new credentials and tokens, so that the device can no longer use the old ones. Default false.',
    })
    rotateCredentials: boolean | null,
    @CurrentUser() caller: UserCaller,
    @Ctx() context: Context,
  ): Promise<Device> {
    return unbindDevice(context, { caller, id, rotateCredentials: rotateCredentials ?? false });
  }

  @FieldResolver(() => UserSubscription, { description: 'The subscription in its current state.' })
  async subscription(
    @Root() { subscription }: MergeDecision,
    @Ctx() context: Context,
  ): Promise<UserSubscription> {
    return required(await getSubscription(context, subscription.id), 'subscription that would move');
  }
}
