import { Arg, Args, Ctx, ID, Mutation, Query, Resolver } from 'type-graphql';
import { PageArgs } from '../../../platform/graphql/connection.ts';
import type { Page } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';
import { AdminOnly, CurrentUser } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { createPlan } from './create-plan.ts';
import { deletePlan } from './delete-plan.ts';
import { listAllPlans } from './list-plans.ts';
import { CreatePlanInput, Plan, PlanConnection, PlanOrderBy, UpdatePlanInput } from './plan.types.ts';
import { updatePlan } from './update-plan.ts';

@Resolver()
export class PlanAdminResolver {
  @AdminOnly()
  @Query(() => PlanConnection, { nullable: true, description: 'All plans except deleted ones.' })
  allPlans(
    @Arg('orderBy', () => PlanOrderBy, { nullable: true, description: 'Defaults to newest first.' })
    orderBy: keyof typeof PlanOrderBy | null,
    @Args(() => PageArgs) page: PageArgs,
    @Ctx() services: Services,
  ): Promise<Page<Plan>> {
    return listAllPlans(services, { orderBy, page });
  }

  @AdminOnly()
  @Mutation(() => Plan, { description: 'Creates a plan.' })
  createPlan(
    @Arg('input', () => CreatePlanInput, { description: 'The fields of the new plan.' })
    input: CreatePlanInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() services: Services,
  ): Promise<Plan> {
    return createPlan(services, { actorId: userId, input });
  }

  @AdminOnly()
  @Mutation(() => Plan, {
    description:
      'Updates a plan. Existing subscriptions keep their traffic limit and reset cycle; nodes, speed and device limit change immediately.',
  })
  updatePlan(
    @Arg('id', () => ID, { description: 'UUID of the plan.' }) id: string,
    @Arg('input', () => UpdatePlanInput, { description: 'The fields to change.' }) input: UpdatePlanInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() services: Services,
  ): Promise<Plan> {
    return updatePlan(services, { actorId: userId, id, input });
  }

  @AdminOnly()
  @Mutation(() => Plan, {
    description:
      'Deletes a plan and returns it as it was. Existing subscriptions remain. Its codes can no longer be redeemed, and pending orders fail.',
  })
  deletePlan(
    @Arg('id', () => ID, { description: 'UUID of the plan.' }) id: string,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() services: Services,
  ): Promise<Plan> {
    return deletePlan(services, { actorId: userId, id });
  }
}
