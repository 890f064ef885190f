import { Ctx, Query, Resolver } from 'type-graphql';
import type { Services } from '../../../platform/services.ts';
import { Public } from '../../kernel/access.ts';
import { readSiteSettings } from './read-site-settings.ts';
import { GlobalConfig } from './site.types.ts';

@Resolver()
export class SiteResolver {
  @Public()
  @Query(() => GlobalConfig, { nullable: true, description: 'The public settings of the site.' })
  globalConfig(@Ctx() services: Services): Promise<GlobalConfig> {
    return readSiteSettings(services);
  }
}
