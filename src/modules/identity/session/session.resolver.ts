import { Arg, Ctx, FieldResolver, ID, Mutation, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import { CurrentUser, Public, SignedIn } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { logOut } from './log-out.ts';
import { refreshSession } from './refresh-session.ts';
import { revokeSession } from './revoke-session.ts';
import { AuthPayload, Session } from './session.types.ts';

@Resolver(() => Session)
export class SessionResolver {
  @Public()
  @Mutation(() => AuthPayload, {
    description:
      'Exchanges a refresh token for new tokens. Safe to retry for one minute after a lost response; any later use of a replaced token revokes the session.',
  })
  refreshSession(
    @Arg('refreshToken', () => String, { description: 'The most recent refresh token of the session.' })
    refreshToken: string,
    @Ctx() context: Context,
  ): Promise<AuthPayload> {
    return refreshSession(context, refreshToken);
  }

  @SignedIn()
  @Mutation(() => [ID], {
    description: 'Revokes your current session or all of them, and returns the ids of the revoked sessions.',
  })
  logout(
    @Arg('everywhere', () => Boolean, {
      nullable: true,
      description:
        'Whether to revoke all of your sessions, your link codes and your confirmation tokens. Default false.',
    })
    everywhere: boolean | null,
    @CurrentUser() caller: UserCaller,
    @Ctx() context: Context,
  ): Promise<string[]> {
    return logOut(context, { caller, everywhere: everywhere ?? false });
  }

  @SignedIn()
  @Mutation(() => Session, { description: 'Revokes one of your sessions and closes its websockets.' })
  revokeSession(
    @Arg('id', () => ID, { description: 'Id of one of your sessions.' }) id: string,
    @CurrentUser() caller: UserCaller,
    @Ctx() context: Context,
  ): Promise<Session> {
    return revokeSession(context, { caller, id });
  }

  @FieldResolver(() => Boolean, { description: 'Whether this session sent the request.' })
  current(@Root() { id }: Session, @Ctx() { caller }: Context): boolean {
    return caller.kind === 'user' && caller.sessionId === id;
  }
}
