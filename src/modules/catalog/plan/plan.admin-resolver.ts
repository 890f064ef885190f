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

  @AdminOnly()
  @Mutation(() => Plan, {
    description:
      'Changes a plan. What was granted of it keeps its limits; nodes, speed and devices change at once.',
  })
  updatePlan(
    @Arg('id', () => ID, { description: 'Which plan.' }) id: string,
    @Arg('input', () => UpdatePlanInput, { description: 'What changes.' }) input: UpdatePlanInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() services: Services,
  ): Promise<Plan> {
    return updatePlan(services, { actorId: userId, id, input });
  }

  @AdminOnly()
  @Mutation(() => Plan, {
    description:
      'Deletes a plan; answers with it as it was. What was granted of it stays; its codes are refused, and orders that wait for activation fail.',
  })
  deletePlan(
    @Arg('id', () => ID, { description: 'Which plan.' }) id: string,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() services: Services,
  ): Promise<Plan> {
    return deletePlan(services, { actorId: userId, id });
  }
}
