import { Ctx, Query, Resolver } from 'type-graphql';
import type { Services } from '../../platform/services.ts';
import { Public } from '../auth/access.ts';
import { listPlansOnSale } from './list-plans.ts';
import { Plan } from './plan.types.ts';

@Resolver()
export class PlanResolver {
  @Public()
  @Query(() => [Plan], { nullable: true, description: 'What is on sale.' })
  plans(@Ctx() services: Services): Promise<Plan[]> {
    return listPlansOnSale(services);
  }
}
