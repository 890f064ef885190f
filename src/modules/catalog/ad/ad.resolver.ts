import { Args, Ctx, Query, Resolver } from 'type-graphql';
import { PageArgs } from '../../../platform/graphql/connection.ts';
import type { Page } from '../../../platform/pagination/page.ts';
import { Public } from '../../kernel/access.ts';
import { type Ad, AdConnection } from './ad.types.ts';
import type { AdReads } from './list-ads.ts';

@Resolver()
export class AdResolver {
  @Public()
  @Query(() => AdConnection, {
    nullable: true,
    description: 'The advertisements that apps show now, newest first: enabled, started and not ended.',
  })
  ads(@Args(() => PageArgs) page: PageArgs, @Ctx() { listActiveAds }: AdReads): Promise<Page<Ad>> {
    return listActiveAds(page);
  }
}
