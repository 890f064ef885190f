import { Arg, Ctx, FieldResolver, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import type { Order as OrderRow } from '../../../generated/prisma/client.ts';
import { CurrentUser, SignedIn } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { getSubscription } from '../../subscription/get-subscription.ts';
import { UserSubscription } from '../../subscription/subscription.types.ts';
import { RedeemCodeInput, RedemptionPreview } from '../code/redemption-code.types.ts';
import { Order } from '../order/order.types.ts';
import { type RedemptionPreview as Preview, previewRedemption } from './preview-redemption.ts';
import { redeemCode } from './redeem-code.ts';

@Resolver(() => RedemptionPreview)
export class RedemptionResolver {
  @SignedIn()
  @Mutation(() => Order, {
    description:
      'Spends one use of a code and orders its plan, which is active a moment later: see orderStatusChanged.',
  })
  redeemCode(
    @Arg('input', () => RedeemCodeInput, { description: 'The code.' }) input: RedeemCodeInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<OrderRow> {
    return redeemCode(context, { userId, input });
  }

  @SignedIn()
  @Query(() => RedemptionPreview, { nullable: true, description: 'What redeeming the code would do.' })
  previewRedemption(
    @Arg('code', () => String, { description: 'As it was typed.' }) typed: string,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<RedemptionPreview> {
    return previewRedemption(context, { userId, typed });
  }

  @FieldResolver(() => UserSubscription, {
    nullable: true,
    description: 'The subscription that would be extended; null when a new one would begin.',
  })
  extendedSubscription(@Root() preview: Preview, @Ctx() context: Context): Promise<UserSubscription | null> {
    return getSubscription(context, preview.extendedSubscriptionId);
  }
}
