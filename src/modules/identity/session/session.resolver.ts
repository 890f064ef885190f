import { Arg, Ctx, FieldResolver, ID, Mutation, Resolver, Root } from 'type-graphql';
import type { z } from 'zod';
import type { Context } from '../../../context.ts';
import { CurrentUser, Public, SignedIn } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { User } from '../../lifecycle/account/user.types.ts';
import { createLinkCode } from '../../lifecycle/binding/create-link-code.ts';
import { changePassword } from '../../lifecycle/login/change-password.ts';
import { logIn } from '../../lifecycle/login/log-in.ts';
import type { DeviceLogin } from '../device-proof/device-login.ts';
import { logOut } from './log-out.ts';
import { refreshSession } from './refresh-session.ts';
import { revokeSession } from './revoke-session.ts';
import { AuthPayload, ChangePasswordInput, LinkCode, LoginInput, Session } from './session.types.ts';

@Resolver(() => Session)
export class AuthResolver {
  @Public()
  @Mutation(() => AuthPayload, { description: 'Logs in by e-mail address and password.' })
  login(
    @Arg('input', () => LoginInput, { description: 'Address, password, and the device that asks.' })
    input: LoginInput & { device?: z.input<typeof DeviceLogin> },
    @Ctx() context: Context,
  ): Promise<AuthPayload> {
    return logIn(context, input);
  }

  @Public()
  @Mutation(() => AuthPayload, {
    description:
      'New tokens for an old refresh token. Repeating it after a lost answer is safe; an older token ends the session.',
  })
  refreshSession(
    @Arg('refreshToken', () => String, { description: 'The latest refresh token of the session.' })
    refreshToken: string,
    @Ctx() context: Context,
  ): Promise<AuthPayload> {
    return refreshSession(context, refreshToken);
  }

  @SignedIn()
  @Mutation(() => [ID], {
    description: 'Ends this session, or all of yours; answers with the ids of those that ended.',
  })
  logout(
    @Arg('everywhere', () => Boolean, {
      nullable: true,
      description: 'All of your sessions; absent: this one.',
    })
    everywhere: boolean | null,
    @CurrentUser() caller: UserCaller,
    @Ctx() context: Context,
  ): Promise<string[]> {
    return logOut(context, { caller, everywhere: everywhere ?? false });
  }

  @SignedIn()
  @Mutation(() => Session, { description: 'Ends one of your sessions.' })
  revokeSession(
    @Arg('id', () => ID, { description: 'Which of your sessions.' }) id: string,
    @CurrentUser() caller: UserCaller,
    @Ctx() context: Context,
  ): Promise<Session> {
    return revokeSession(context, { caller, id });
  }

  @SignedIn()
  @Mutation(() => LinkCode, {
    description:
      'A code with which another device joins your account, good once and for ten minutes; made by an admin for somebody else, for a day.',
  })
  createLinkCode(
    @Arg('userId', () => ID, { nullable: true, description: 'For whom; absent: for you. For admins only.' })
    userId: string | null,
    @CurrentUser() caller: UserCaller,
    @Ctx() context: Context,
  ): Promise<LinkCode> {
    return createLinkCode(context, { caller, userId });
  }

  @SignedIn()
  @Mutation(() => User, { description: 'Changes your password, and ends your other sessions.' })
  changePassword(
    @Arg('input', () => ChangePasswordInput, { description: 'The password of now, and the next.' })
    input: ChangePasswordInput,
    @CurrentUser() caller: UserCaller,
    @Ctx() context: Context,
  ): Promise<User> {
    return changePassword(context, { caller, input });
  }

  @FieldResolver(() => Boolean, { description: 'Whether it is the session that asks.' })
  current(@Root() { id }: Session, @Ctx() { caller }: Context): boolean {
    return caller.kind === 'user' && caller.sessionId === id;
  }
}
