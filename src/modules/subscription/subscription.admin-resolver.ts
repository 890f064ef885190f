import { Arg, Args, Ctx, FieldResolver, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Context } from '../../context.ts';
import type { UserSubscription as UserSubscriptionRow } from '../../generated/prisma/client.ts';
import { PageArgs } from '../../platform/graphql/connection.ts';
import type { Page } from '../../platform/pagination/page.ts';
import { AdminOnly, CurrentUser } from '../kernel/access.ts';
import type { UserCaller } from '../kernel/caller.ts';
import { findOwner } from '../lifecycle/account/get-user.ts';
import { User } from '../lifecycle/account/user.types.ts';
import { listAllSubscriptions } from './list-subscriptions.ts';
import {
  UpdateUserSubscriptionInput,
  UserSubscription,
  UserSubscriptionConnection,
  UserSubscriptionFilter,
  UserSubscriptionOrderBy,
} from './subscription.types.ts';
import { updateUserSubscription } from './update-subscription.ts';

@Resolver(() => UserSubscription)
export class SubscriptionAdminResolver {
  @AdminOnly()
  @Query(() => UserSubscriptionConnection, {
    nullable: true,
    description: 'The subscriptions of all users.',
  })
  subscriptions(
    @Arg('filter', () => UserSubscriptionFilter, {
      nullable: true,
      description: 'Defaults to all subscriptions.',
    })
    filter: UserSubscriptionFilter | null,
    @Arg('orderBy', () => UserSubscriptionOrderBy, {
      nullable: true,
      description: 'Defaults to newest first.',
    })
    orderBy: keyof typeof UserSubscriptionOrderBy | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<Page<UserSubscription>> {
    return listAllSubscriptions(context, { filter: filter ?? {}, orderBy, page });
  }

  @AdminOnly()
  @Mutation(() => UserSubscription, {
    description:
      'Stops or resumes a subscription, and changes its expiry and traffic limit. Servers and apps are notified immediately.',
  })
  updateUserSubscription(
    @Arg('id', () => ID, { description: 'UUID of the subscription.' }) id: string,
    @Arg('input', () => UpdateUserSubscriptionInput, { description: 'The fields to change.' })
    input: UpdateUserSubscriptionInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<UserSubscription> {
    return updateUserSubscription(context, { actorId: userId, id, input });
  }

  @FieldResolver(() => User, {
    nullable: true,
    description: 'The owner. Null for callers who are not admins.',
  })
  user(@Root() { userId }: UserSubscriptionRow, @Ctx() context: Context): Promise<User | null> {
    return findOwner(context, { userId });
  }
}
