import type { SiteSettings as SiteSettingsRow } from '../../generated/prisma/client.ts';
import type { Services } from '../../platform/services.ts';

/** The settings of the site as they are now; the row is made by the first migration and always there. */
export function readSiteSettings({ db }: Pick<Services, 'db'>): Promise<SiteSettingsRow> {
  return db.siteSettings.findUniqueOrThrow({ where: { id: 1 } });
}
