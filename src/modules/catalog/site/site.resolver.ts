import { Ctx, Query, Resolver } from 'type-graphql';
import { Cacheable, Public } from '../../kernel/access.ts';
import { GlobalConfig } from './site.types.ts';
import type { SiteReads } from './site-reads.ts';

@Resolver()
export class SiteResolver {
  @Public()
  @Cacheable()
  @Query(() => GlobalConfig, { nullable: true, description: 'The public settings of the site.' })
  globalConfig(@Ctx() { recentSiteSettings }: SiteReads): Promise<GlobalConfig> {
    return recentSiteSettings();
  }
}
