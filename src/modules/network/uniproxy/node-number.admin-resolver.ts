import { Ctx, FieldResolver, Int, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import { required } from '../../../platform/required.ts';
import { Node } from '../node/node.types.ts';

@Resolver(() => Node)
export class NodeNumberAdminResolver {
  @FieldResolver(() => Int, {
    description:
      'The `node_id` of this node for node programs of the V2board family (V2bX, XrayR), which take the token of the server as `token`.',
  })
  async number(@Root() { id }: Node, @Ctx() { readNodeNumber }: Context): Promise<number> {
    return required(await readNodeNumber(id), 'number of a node');
  }
}
