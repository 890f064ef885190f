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
  @Query(() => ServerConnection, { nullable: true, description: 'All servers, newest first.' })
  servers(@Args(() => PageArgs) page: PageArgs, @Ctx() context: Context): Promise<Page<ServerRow>> {
    return listServers(context, page);
  }

  @AdminOnly()
  @Mutation(() => ServerCredential, {
    description: 'Adds a server. The token of its agent is shown only once.',
  })
  createServer(
    @Arg('input', () => CreateServerInput, { description: 'The server to add.' }) input: CreateServerInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<ServerCredential> {
    return createServer(context, { actorId: userId, input });
  }

  @AdminOnly()
  @Mutation(() => Server, { description: 'Updates the given fields of a server.' })
  updateServer(
    @Arg('id', () => ID, { description: 'Id of the server.' }) id: string,
    @Arg('input', () => UpdateServerInput, { description: 'The fields to change.' }) input: UpdateServerInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<ServerRow> {
    return updateServer(context, { actorId: userId, id, input });
  }

  @AdminOnly()
  @Mutation(() => ServerCredential, {
    description:
      'Issues a new token for the agent of a server. Revokes the old token and closes the sockets opened with it.',
  })
  rotateServerToken(
    @Arg('id', () => ID, { description: 'Id of the server.' }) id: string,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<ServerCredential> {
    return rotateServerToken(context, { actorId: userId, id });
  }

  @AdminOnly()
  @Mutation(() => Server, {
    description: 'Deletes a server without nodes and revokes the token of its agent.',
  })
  deleteServer(
    @Arg('id', () => ID, { description: 'Id of the server.' }) id: string,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<ServerRow> {
    return deleteServer(context, { actorId: userId, id });
  }
}
