import { Arg, Ctx, ID, Mutation, Resolver } from 'type-graphql';
import type { Context } from '../../../context.ts';
import { AdminOnly, CurrentUser } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { User } from '../account/user.types.ts';
import { setUserEmail } from './set-user-email.ts';

@Resolver()
export class EmailAdminResolver {
  @AdminOnly()
  @Mutation(() => User, {
    description:
      'Changes or removes the e-mail address of another account and revokes all of its sessions. The password stays the same, or is removed with the address. Removing the last way to sign in closes the account; with a live subscription, that fails with LAST_IDENTITY.',
  })
  setUserEmail(
    @Arg('id', () => ID, { description: 'User id. The account must have an e-mail address.' }) id: string,
    @Arg('email', () => String, {
      nullable: true,
      description: 'The new address, case-insensitive. Null removes the present one; absent is an error.',
    })
    email: string | null | undefined,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<User> {
    return setUserEmail(context, { actorId: userId, id, email });
  }
}
