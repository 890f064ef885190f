import { Ctx, FieldResolver, Int, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import { countOnlineUsers, listOnlineUsers } from '../agent/online-users.ts';
import { OnlineUser, Server, ServerStatus } from './server.types.ts';

/** What a server shows beside its row. Only admins get to see a server. */
@Resolver(() => Server)
export class ServerResolver {
  @FieldResolver(() => ServerStatus, { description: 'How it is doing.' })
  async status(@Root() { id }: Server, @Ctx() { serverStates }: Context): Promise<ServerStatus> {
    return (await serverStates(id)).status;
  }

  @FieldResolver(() => Int, {
    nullable: true,
    description:
      'The age of the oldest change of its list that its agent has not confirmed; null when there is none.',
  })
  async lagSeconds(@Root() { id }: Server, @Ctx() { serverStates }: Context): Promise<number | null> {
    return (await serverStates(id)).lagSeconds;
  }

  @FieldResolver(() => Int, {
    description: 'How many changes its agent has not confirmed; a thousand may stand for more.',
  })
  async pendingChanges(@Root() { id }: Server, @Ctx() { serverStates }: Context): Promise<number> {
    return (await serverStates(id)).pendingChanges;
  }

  @FieldResolver(() => Int, {
    nullable: true,
    description:
      'How many subscriptions are connected, as its agent says; null when that is not known just now.',
  })
  onlineCount(@Root() { id }: Server, @Ctx() context: Context): Promise<number | null> {
    return countOnlineUsers(context, id);
  }

  @FieldResolver(() => [OnlineUser], {
    nullable: true,
    description: 'Those who are connected, the first hundred; null when that is not known just now.',
  })
  onlineUsers(@Root() { id }: Server, @Ctx() context: Context): Promise<OnlineUser[] | null> {
    return listOnlineUsers(context, id);
  }
}
