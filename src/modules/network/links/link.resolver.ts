import { Ctx, FieldResolver, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import { UserSubscription } from '../../subscription/subscription.types.ts';
import { linkOf } from './link-path.ts';

@Resolver(() => UserSubscription)
export class SubscriptionLinkResolver {
  @FieldResolver(() => String, {
    description:
      'The URL by which proxy clients read the nodes, in the format of the client or of `?format=`. A secret: it contains the token.',
  })
  link(@Root() { token }: UserSubscription, @Ctx() { request }: Context): string {
    return linkOf(token, request.origin);
  }
}
