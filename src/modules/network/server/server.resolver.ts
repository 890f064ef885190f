import { Ctx, FieldResolver, Int, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import { countOnlineUsers, listOnlineUsers } from '../online/online-users.ts';
import { OnlineUser, Server, ServerStatus } from './server.types.ts';

/**
 * Computed fields of a server. They need no policy of their own: only admins can reach a server.
 */
@Resolver(() => Server)
export class ServerResolver {
  @FieldResolver(() => ServerStatus, {
    description: 'Whether the server is online, and whether its agent has the current list of users.',
  })
  async status(@Root() { id }: Server, @Ctx() { serverStates }: Context): Promise<ServerStatus> {
    return (await serverStates(id)).status;
  }

  @FieldResolver(() => Int, {
    nullable: true,
    description:
      'Age in seconds of the oldest change that the agent has not confirmed; null if it has confirmed all.',
  })
  async lagSeconds(@Root() { id }: Server, @Ctx() { serverStates }: Context): Promise<number | null> {
    return (await serverStates(id)).lagSeconds;
  }

  @FieldResolver(() => Int, {
    description: 'Number of changes that the agent has not confirmed, counted up to 1,000.',
  })
  async pendingChanges(@Root() { id }: Server, @Ctx() { serverStates }: Context): Promise<number> {
    return (await serverStates(id)).pendingChanges;
  }

  @FieldResolver(() => Int, {
    nullable: true,
    description: 'Number of connected subscriptions, as reported by the agent; null if Redis is unavailable.',
  })
  onlineCount(@Root() { id }: Server, @Ctx() context: Context): Promise<number | null> {
    return countOnlineUsers(context, id);
  }

  @FieldResolver(() => [OnlineUser], {
    nullable: true,
    description: 'The first 100 connected subscriptions by id; null if Redis is unavailable.',
  })
  onlineUsers(@Root() { id }: Server, @Ctx() context: Context): Promise<OnlineUser[] | null> {
    return listOnlineUsers(context, id);
  }
}
