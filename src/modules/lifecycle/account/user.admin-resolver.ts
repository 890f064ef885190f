import { Arg, Args, Ctx, ID, Mutation, Query, Resolver } from 'type-graphql';
import type { Context } from '../../../context.ts';
import { PageArgs } from '../../../platform/graphql/connection.ts';
import type { Page } from '../../../platform/pagination/page.ts';
import { AdminOnly, CurrentUser } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { deleteUser } from './delete-user.ts';
import { getUser } from './get-viewer.ts';
import { listUsers } from './list-users.ts';
import { setUserEnabled } from './set-user-enabled.ts';
import { User, UserConnection, UserFilter, UserOrderBy } from './user.types.ts';

@Resolver()
export class UserAdminResolver {
  @AdminOnly()
  @Query(() => UserConnection, { nullable: true, description: 'Accounts that are not closed.' })
  users(
    @Arg('filter', () => UserFilter, { nullable: true, description: 'Which accounts; absent: all.' })
    filter: UserFilter | null,
    @Arg('orderBy', () => UserOrderBy, { nullable: true, description: 'Absent: the newest first.' })
    orderBy: keyof typeof UserOrderBy | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<Page<User>> {
    return listUsers(context, { filter: filter ?? {}, orderBy, page });
  }

  @AdminOnly()
  @Query(() => User, { nullable: true, description: 'An account that is not closed.' })
  user(
    @Arg('id', () => ID, { description: 'Which account.' }) id: string,
    @Ctx() context: Context,
  ): Promise<User> {
    return getUser(context, { id });
  }

  @AdminOnly()
  @Mutation(() => User, {
    description:
      'Lets an account be used, or not. Disabling it ends its sessions, closes its sockets, and takes its subscriptions from the servers; neither your own account nor the last admin can be disabled.',
  })
  setUserEnabled(
    @Arg('id', () => ID, { description: 'Which account.' }) id: string,
    @Arg('enabled', () => Boolean, { description: 'Whether it may be used.' }) enabled: boolean,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<User> {
    return setUserEnabled(context, { actorId: userId, id, enabled });
  }

  @AdminOnly()
  @Mutation(() => User, {
    description:
      'Closes an account, whatever it still has: its sessions end, its subscriptions stop, its orders that are PAID fail and give their codes back, its address and devices can be used for another one. Neither your own account nor the last admin can be closed.',
  })
  deleteUser(
    @Arg('id', () => ID, { description: 'Which account.' }) id: string,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<User> {
    return deleteUser(context, { actorId: userId, id });
  }
}
