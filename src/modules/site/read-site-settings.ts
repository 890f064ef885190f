import type { SiteSettings as SiteSettingsRow } from '../../generated/prisma/client.ts';
import type { Transaction } from '../../platform/database.ts';
import type { Services } from '../../platform/services.ts';

const THE_SITE = { id: 1 };

/**
 * The settings of the site as they are at this moment. They are never cached: what an admin changes holds at every
 * instance from the commit on. The first migration makes their row; should it be lost, it begins anew.
 */
export async function readSiteSettings({ db }: Pick<Services, 'db'>): Promise<SiteSettingsRow> {
  const settings = await db.siteSettings.findUnique({ where: THE_SITE });
  return settings ?? db.siteSettings.upsert({ where: THE_SITE, create: THE_SITE, update: {} });
}

/** The settings under a lock that lasts until the transaction ends; one after the other changes them. */
export async function lockSiteSettings(tx: Transaction): Promise<SiteSettingsRow> {
  await tx.$executeRaw`INSERT INTO site_settings (id) VALUES (1) ON CONFLICT DO NOTHING`;
  await tx.$executeRaw`SELECT id FROM site_settings WHERE id = 1 FOR NO KEY UPDATE`;
  return tx.siteSettings.findUniqueOrThrow({ where: THE_SITE });
}
