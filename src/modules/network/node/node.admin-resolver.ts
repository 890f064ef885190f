import { Arg, Args, Ctx, FieldResolver, Float, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import type { Node as NodeRow } from '../../../generated/prisma/client.ts';
import { PageArgs } from '../../../platform/graphql/connection.ts';
import type { Page } from '../../../platform/pagination/page.ts';
import { AdminOnly, CurrentUser } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { Server } from '../server/server.types.ts';
import { createNode } from './create-node.ts';
import { deleteNode } from './delete-node.ts';
import { getServerOfNode } from './get-server-of-node.ts';
import { listNodes } from './list-nodes.ts';
import { CreateNodeInput, Node, NodeConnection, NodeFilter, UpdateNodeInput } from './node.types.ts';
import { updateNode } from './update-node.ts';

@Resolver(() => Node)
export class NodeAdminResolver {
  @AdminOnly()
  @Query(() => NodeConnection, { nullable: true, description: 'Every node, the newest first.' })
  nodes(
    @Arg('filter', () => NodeFilter, { nullable: true, description: 'Which nodes; absent: all.' })
    filter: NodeFilter | null | undefined,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<Page<NodeRow>> {
    return listNodes(context, { filter: filter ?? {}, page });
  }

  @AdminOnly()
  @Mutation(() => Node, { description: 'Adds a node to a server.' })
  createNode(
    @Arg('input', () => CreateNodeInput, { description: 'The node.' }) input: CreateNodeInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<NodeRow> {
    return createNode(context, { actorId: userId, input });
  }

  @AdminOnly()
  @Mutation(() => Node, { description: 'Changes a node.' })
  updateNode(
    @Arg('id', () => ID, { description: 'Which node.' }) id: string,
    @Arg('input', () => UpdateNodeInput, { description: 'What changes.' }) input: UpdateNodeInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<NodeRow> {
    return updateNode(context, { actorId: userId, id, input });
  }

  @AdminOnly()
  @Mutation(() => Node, { description: 'Deletes a node; answers with it as it was.' })
  deleteNode(
    @Arg('id', () => ID, { description: 'Which node.' }) id: string,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<NodeRow> {
    return deleteNode(context, { actorId: userId, id });
  }

  @FieldResolver(() => Server, { description: 'The server that it is on.' })
  server(@Root() { id }: NodeRow, @Ctx() context: Context): Promise<Server> {
    return getServerOfNode(context, id);
  }

  @FieldResolver(() => String, {
    description: "Host name or IP address; the server's, unless it has its own.",
  })
  async address(@Root() { id, address }: NodeRow, @Ctx() context: Context): Promise<string> {
    return address ?? (await getServerOfNode(context, id)).address;
  }

  @FieldResolver(() => Float, { description: 'What a byte counts here: 2 counts it twice, 0 not at all.' })
  ratio(@Root() { ratio }: NodeRow): number {
    return ratio.toNumber();
  }
}
