import { Arg, Ctx, ID, Mutation, Resolver } from 'type-graphql';
import type { Context } from '../../../context.ts';
import { CurrentUser, SignedIn } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { createLinkCode } from './create-link-code.ts';
import { LinkCode } from './link-code.types.ts';

@Resolver()
export class LinkCodeResolver {
  @SignedIn()
  @Mutation(() => LinkCode, {
    description:
      'Creates a single-use code with which another device logs in to your account. It is valid for ten minutes, or for one day if an admin creates it for another user, and only as long as the session that creates it.',
  })
  createLinkCode(
    @Arg('userId', () => ID, {
      nullable: true,
      description:
        'The user to create the code for; admins only, and not for other admins. Defaults to yourself.',
    })
    userId: string | null,
    @CurrentUser() caller: UserCaller,
    @Ctx() context: Context,
  ): Promise<LinkCode> {
    return createLinkCode(context, { caller, userId });
  }
}
