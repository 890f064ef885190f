import { Arg, Args, Ctx, ID, Mutation, Query, Resolver } from 'type-graphql';
import type { Context } from '../../../context.ts';
import { PageArgs } from '../../../platform/graphql/connection.ts';
import type { Page } from '../../../platform/pagination/page.ts';
import { AdminOnly, CurrentUser } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { deleteUser } from './delete-user.ts';
import { getUser } from './get-user.ts';
import { listUsers } from './list-users.ts';
import { setUserEnabled } from './set-user-enabled.ts';
import { User, UserConnection, UserFilter, UserOrderBy } from './user.types.ts';

@Resolver()
export class UserAdminResolver {
  @AdminOnly()
  @Query(() => UserConnection, { nullable: true, description: 'All accounts that are not closed.' })
  users(
    @Arg('filter', () => UserFilter, { nullable: true, description: 'Defaults to all accounts.' })
    filter: UserFilter | null,
    @Arg('orderBy', () => UserOrderBy, { nullable: true, description: 'Defaults to newest first.' })
    orderBy: keyof typeof UserOrderBy | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<Page<User>> {
    return listUsers(context, { filter: filter ?? {}, orderBy, page });
  }

  @AdminOnly()
  @Query(() => User, { nullable: true, description: 'An account by its id. Closed accounts give NOT_FOUND.' })
  user(@Arg('id', () => ID, { description: 'User id.' }) id: string, @Ctx() context: Context): Promise<User> {
    return getUser(context, { id });
  }

  @AdminOnly()
  @Mutation(() => User, {
    description:
      'Enables or disables an account. Disabling revokes its sessions, its link codes and those that it created, closes its websockets and removes its subscriptions from the servers. Neither your own account nor the last enabled admin can be disabled.',
  })
  setUserEnabled(
    @Arg('id', () => ID, { description: 'User id.' }) id: string,
    @Arg('enabled', () => Boolean, { description: 'Whether the account may be used.' }) enabled: boolean,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<User> {
    return setUserEnabled(context, { actorId: userId, id, enabled });
  }

  @AdminOnly()
  @Mutation(() => User, {
    description:
      'Closes an account: revokes its sessions, stops its subscriptions, fails its PAID orders and releases their codes. Its e-mail address and its devices, except disabled ones, can be used for another account. Neither your own account nor the last enabled admin can be closed.',
  })
  deleteUser(
    @Arg('id', () => ID, { description: 'User id.' }) id: string,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<User> {
    return deleteUser(context, { actorId: userId, id });
  }
}
