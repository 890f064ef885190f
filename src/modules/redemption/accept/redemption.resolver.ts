import { Arg, Ctx, FieldResolver, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import type { Order as OrderRow } from '../../../generated/prisma/client.ts';
import { CurrentUser, SignedIn } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { getSubscription } from '../../subscription/get-subscription.ts';
import { UserSubscription } from '../../subscription/subscription.types.ts';
import { Order } from '../order/order.types.ts';
import { previewRedemption, type RedemptionOutcome } from './preview-redemption.ts';
import { redeemCode } from './redeem-code.ts';
import { RedeemCodeInput, RedemptionPreview } from './redemption.types.ts';

@Resolver(() => RedemptionPreview)
export class RedemptionResolver {
  @SignedIn()
  @Mutation(() => Order, {
    description:
      'Reserves one use of a code and creates an order for its plan. The order is usually activated within a second: watch it with `orderStatusChanged`.',
  })
  redeemCode(
    @Arg('input', () => RedeemCodeInput, { description: 'The code and an optional idempotency key.' })
    input: RedeemCodeInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<OrderRow> {
    return redeemCode(context, { userId, input });
  }

  @SignedIn()
  @Query(() => RedemptionPreview, {
    nullable: true,
    description:
      'Shows the outcome of redeeming a code without using it. Fails with the same errors as `redeemCode`.',
  })
  previewRedemption(
    @Arg('code', () => String, { description: 'The code as typed.' }) typed: string,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<RedemptionPreview> {
    return previewRedemption(context, { userId, typed });
  }

  @FieldResolver(() => UserSubscription, {
    nullable: true,
    description: 'The subscription that would be extended; null if a new one would start.',
  })
  extendedSubscription(
    @Root() { extendedSubscriptionId }: RedemptionOutcome,
    @Ctx() context: Context,
  ): Promise<UserSubscription | null> {
    return getSubscription(context, extendedSubscriptionId);
  }
}
