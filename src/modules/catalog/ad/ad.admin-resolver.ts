import { Arg, Args, Ctx, ID, Mutation, Query, Resolver } from 'type-graphql';
import type { z } from 'zod';
import { PageArgs } from '../../../platform/graphql/connection.ts';
import type { Page } from '../../../platform/pagination/page.ts';
import type { Services } from '../../../platform/services.ts';
import { AdminOnly, CurrentUser } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { Ad, AdConnection, CreateAdInput, UpdateAdInput } from './ad.types.ts';
import type { AdChange } from './ad-fields.ts';
import { createAd } from './create-ad.ts';
import { deleteAd } from './delete-ad.ts';
import { listAllAds } from './list-ads.ts';
import { updateAd } from './update-ad.ts';

@Resolver()
export class AdAdminResolver {
  @AdminOnly()
  @Query(() => AdConnection, {
    nullable: true,
    description: 'All advertisements, including disabled, future and past ones, newest first.',
  })
  allAds(@Args(() => PageArgs) page: PageArgs, @Ctx() services: Services): Promise<Page<Ad>> {
    return listAllAds(services, page);
  }

  @AdminOnly()
  @Mutation(() => Ad, { description: 'Creates an advertisement.' })
  createAd(
    @Arg('input', () => CreateAdInput, { description: 'The fields of the new advertisement.' })
    input: CreateAdInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() services: Services,
  ): Promise<Ad> {
    return createAd(services, { actorId: userId, input });
  }

  @AdminOnly()
  @Mutation(() => Ad, { description: 'Updates an advertisement.' })
  updateAd(
    @Arg('id', () => ID, { description: 'UUID of the advertisement.' }) id: string,
    @Arg('input', () => UpdateAdInput, { description: 'The fields to change.' }) input: UpdateAdInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() services: Services,
  ): Promise<Ad> {
    return updateAd(services, { actorId: userId, id, input: input as z.input<typeof AdChange> });
  }

  @AdminOnly()
  @Mutation(() => Ad, { description: 'Deletes an advertisement permanently and returns it as it was.' })
  deleteAd(
    @Arg('id', () => ID, { description: 'UUID of the advertisement.' }) id: string,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() services: Services,
  ): Promise<Ad> {
    return deleteAd(services, { actorId: userId, id });
  }
}
