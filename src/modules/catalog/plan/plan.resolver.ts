import { Ctx, FieldResolver, ID, Query, Resolver, Root } from 'type-graphql';
import type { Context } from '../../../context.ts';
import type { Plan as PlanRow } from '../../../generated/prisma/client.ts';
import { Public } from '../../kernel/access.ts';
import { isAdmin } from '../../kernel/caller.ts';
import { listPlanNodeIds } from './get-plan.ts';
import type { PlanReads } from './list-plans.ts';
import { Plan } from './plan.types.ts';

@Resolver(() => Plan)
export class PlanResolver {
  @Public()
  @Query(() => [Plan], { nullable: true, description: 'The plans on sale, oldest first.' })
  plans(@Ctx() { listPlansOnSale }: PlanReads): Promise<Plan[]> {
    return listPlansOnSale();
  }

  @FieldResolver(() => [ID], {
    nullable: true,
    description: 'UUIDs of the nodes that are assigned by id. Null for callers who are not admins.',
  })
  nodeIds(@Root() { id }: PlanRow, @Ctx() context: Context): Promise<string[]> | null {
    return isAdmin(context.caller) ? listPlanNodeIds(context, id) : null;
  }

  @FieldResolver(() => [String], {
    nullable: true,
    description: 'Tags whose nodes also belong to the plan. Null for callers who are not admins.',
  })
  nodeTags(@Root() { nodeTags }: PlanRow, @Ctx() { caller }: Context): string[] | null {
    return isAdmin(caller) ? nodeTags : null;
  }
}
