import { Arg, Args, Ctx, Mutation, Query, Resolver } from 'type-graphql';
import { PageArgs } from '../../platform/graphql/connection.ts';
import type { Page } from '../../platform/page.ts';
import type { Services } from '../../platform/services.ts';
import { AdminOnly, CurrentUser } from '../auth/access.ts';
import type { UserCaller } from '../auth/caller.ts';
import { createPlan } from './create-plan.ts';
import { listAllPlans } from './list-plans.ts';
import { CreatePlanInput, Plan, PlanConnection, PlanOrderBy } from './plan.types.ts';

@Resolver()
export class PlanAdminResolver {
  @AdminOnly()
  @Query(() => PlanConnection, { nullable: true, description: 'Every plan.' })
  allPlans(
    @Arg('orderBy', () => PlanOrderBy, { nullable: true, description: 'Absent: the newest first.' })
    orderBy: keyof typeof PlanOrderBy | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() services: Services,
  ): Promise<Page<Plan>> {
    return listAllPlans(services, { orderBy, page });
  }

  @AdminOnly()
  @Mutation(() => Plan, { description: 'Makes a plan.' })
  createPlan(
    @Arg('input', () => CreatePlanInput, { description: 'The plan.' }) input: CreatePlanInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() services: Services,
  ): Promise<Plan> {
    return createPlan(services, { actorId: userId, input });
  }
}
