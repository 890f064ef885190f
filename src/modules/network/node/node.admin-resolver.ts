import { Arg, Args, Ctx, FieldResolver, Float, ID, Mutation, Query, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import type { Node as NodeRow, Server as ServerRow } from '../../../generated/prisma/client.ts';
import { PageArgs } from '../../../platform/graphql/connection.ts';
import type { Page } from '../../../platform/pagination/page.ts';
import { required } from '../../../platform/required.ts';
import { AdminOnly, CurrentUser } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { Server } from '../server/server.types.ts';
import { createNode } from './create-node.ts';
import { deleteNode } from './delete-node.ts';
import { listNodes } from './list-nodes.ts';
import { CreateNodeInput, Node, NodeConnection, NodeFilter, UpdateNodeInput } from './node.types.ts';
import { updateNode } from './update-node.ts';

@Resolver(() => Node)
export class NodeAdminResolver {
  @AdminOnly()
  @Query(() => NodeConnection, { nullable: true, description: 'All nodes, newest first.' })
  nodes(
    @Arg('filter', () => NodeFilter, {
      nullable: true,
      description: 'Conditions on nodes. Defaults to all nodes.',
    })
    filter: NodeFilter | null | undefined,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() context: Context,
  ): Promise<Page<NodeRow>> {
    return listNodes(context, { filter: filter ?? {}, page });
  }

  @AdminOnly()
  @Mutation(() => Node, {
    description: 'Adds a node to a server. Plans that have one of its tags contain it immediately.',
  })
  createNode(
    @Arg('input', () => CreateNodeInput, { description: 'The node to add.' }) input: CreateNodeInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<NodeRow> {
    return createNode(context, { actorId: userId, input });
  }

  @AdminOnly()
  @Mutation(() => Node, { description: 'Updates the given fields of a node.' })
  updateNode(
    @Arg('id', () => ID, { description: 'Id of the node.' }) id: string,
    @Arg('input', () => UpdateNodeInput, { description: 'The fields to change.' }) input: UpdateNodeInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<NodeRow> {
    return updateNode(context, { actorId: userId, id, input });
  }

  @AdminOnly()
  @Mutation(() => Node, { description: 'Deletes a node, and returns it as it was before.' })
  deleteNode(
    @Arg('id', () => ID, { description: 'Id of the node.' }) id: string,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() context: Context,
  ): Promise<NodeRow> {
    return deleteNode(context, { actorId: userId, id });
  }

  @FieldResolver(() => Server, { description: 'Server that the node runs on.' })
  server(@Root() { id }: NodeRow, @Ctx() context: Context): Promise<Server> {
    return getServerOfNode(context, id);
  }

  @FieldResolver(() => String, {
    description: "Host name or IP address; the server's if the node has none of its own.",
  })
  async address(@Root() { id, address }: NodeRow, @Ctx() context: Context): Promise<string> {
    return address ?? (await getServerOfNode(context, id)).address;
  }

  @FieldResolver(() => Float, {
    description: 'Factor by which traffic is counted: 2 counts each byte twice, 0 makes traffic free.',
  })
  ratio(@Root() { ratio }: NodeRow): number {
    return ratio.toNumber();
  }
}

/** Prisma coalesces concurrent calls into one query. */
async function getServerOfNode({ db }: Context, nodeId: string): Promise<ServerRow> {
  return required(await db.node.findUnique({ where: { id: nodeId } }).server(), 'server of the node');
}
