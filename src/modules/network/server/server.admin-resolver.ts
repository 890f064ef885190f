import { Arg, Args, Ctx, ID, Mutation, Query, Resolver } from 'type-graphql';
import type { Context } from '../../../context.ts';
import type { Server as ServerRow } from '../../../generated/prisma/client.ts';
import { PageArgs } from '../../../platform/graphql/connection.ts';
import type { Page } from '../../../platform/pagination/page.ts';
import { AdminOnly, CurrentUser } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { createServer } from './create-server.ts';
import { deleteServer } from './delete-server.ts';
import { listServers } from './list-servers.ts';
import { rotateServerToken } from './rotate-server-token.ts';
import {
  CreateServerInput,
  Server,
  ServerConnection,
  ServerCredential,
  UpdateServerInput,
} from './server.types.ts';
import { updateServer } from './update-server.ts';

@Resolver()
export class ServerAdminResolver {
  @AdminOnly()
  @Query(() => ServerConnection, { nullable: true, description: 'The servers there are, the newest first.' })
  servers(@Args(() => PageArgs) page: PageArgs, @Ctx() context: Context): Promise<Page<ServerRow>> {
    return listServers(context, page);
  }

  @AdminOnly()
  @Mutation(() => ServerCredential, {
    description: 'Adds a server; the token of its agent is shown this once.',
  })
  createServer(
    @Arg('input', () => CreateServerInput, { description: 'What it is.' }) input: CreateServerInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<ServerCredential> {
    return createServer(context, { actorId: userId, input });
  }

  @AdminOnly()
  @Mutation(() => Server, { description: 'Changes a server.' })
  updateServer(
    @Arg('id', () => ID, { description: 'Which server.' }) id: string,
    @Arg('input', () => UpdateServerInput, { description: 'What is to change.' }) input: UpdateServerInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<ServerRow> {
    return updateServer(context, { actorId: userId, id, input });
  }

  @AdminOnly()
  @Mutation(() => ServerCredential, {
    description:
      'Gives the agent of a server a new token; the old one is good no longer, its sockets are closed.',
  })
  rotateServerToken(
    @Arg('id', () => ID, { description: 'Which server.' }) id: string,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<ServerCredential> {
    return rotateServerToken(context, { actorId: userId, id });
  }

  @AdminOnly()
  @Mutation(() => Server, { description: 'Deletes a server that has no nodes any more.' })
  deleteServer(
    @Arg('id', () => ID, { description: 'Which server.' }) id: string,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<ServerRow> {
    return deleteServer(context, { actorId: userId, id });
  }
}
