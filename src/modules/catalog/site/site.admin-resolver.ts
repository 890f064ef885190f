import { Arg, Ctx, Mutation, Query, Resolver } from 'type-graphql';
import type { z } from 'zod';
import type { Services } from '../../../platform/services.ts';
import { AdminOnly, CurrentUser } from '../../kernel/access.ts';
import type { UserCaller } from '../../kernel/caller.ts';
import { LinkTemplateFormat, listLinkTemplates, setLinkTemplate } from './link-templates.ts';
import { readSiteSettings } from './read-site-settings.ts';
import { LinkTemplate, SiteSettings, UpdateSiteInput } from './site.types.ts';
import type { SiteChange } from './site-change.ts';
import { updateSite } from './update-site.ts';

@Resolver()
export class SiteAdminResolver {
  @AdminOnly()
  @Query(() => SiteSettings, {
    nullable: true,
    description: 'All settings of the site, including those that are not public.',
  })
  siteSettings(@Ctx() services: Services): Promise<SiteSettings> {
    return readSiteSettings(services);
  }

  @AdminOnly()
  @Mutation(() => SiteSettings, {
    description: 'Updates the settings of the site. They apply immediately on every instance.',
  })
  updateSite(
    @Arg('input', () => UpdateSiteInput, { description: 'The fields to change.' }) input: UpdateSiteInput,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() services: Services,
  ): Promise<SiteSettings> {
    return updateSite(services, { actorId: userId, input: input as z.input<typeof SiteChange> });
  }

  @AdminOnly()
  @Query(() => [LinkTemplate], {
    nullable: true,
    description: 'The templates of subscription links, one per format that has templates.',
  })
  linkTemplates(@Ctx() services: Services): Promise<LinkTemplate[]> {
    return listLinkTemplates(services);
  }

  @AdminOnly()
  @Mutation(() => LinkTemplate, {
    description:
      'Sets the template of a format of subscription links. A mistake is refused with its line: unknown placeholders, invalid YAML or JSON, and a missing `$nodes`.',
  })
  setLinkTemplate(
    @Arg('format', () => LinkTemplateFormat, { description: 'The format.' }) format: LinkTemplateFormat,
    @Arg('text', () => String, {
      nullable: true,
      description: 'The template, up to 32768 characters; null for the built-in document.',
    })
    text: string | null,
    @CurrentUser() { userId }: UserCaller,
    @Ctx() services: Services,
  ): Promise<LinkTemplate> {
    return setLinkTemplate(services, { actorId: userId, format, text: text ?? null });
  }
}
