import type { SiteSettings as SiteSettingsRow } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { lockSiteRow } from '../../kernel/locks.ts';

const SITE_ROW = { id: 1 };

/**
 * Reads the settings of the site. Not cached: decisions about rows depend on them. The first
 * migration creates the row; if the row is lost, it is recreated with the defaults.
 */
export async function readSiteSettings({
  db,
}: {
  db: Pick<Transaction, 'siteSettings'>;
}): Promise<SiteSettingsRow> {
  const settings = await db.siteSettings.findUnique({ where: SITE_ROW });
  return settings ?? db.siteSettings.upsert({ where: SITE_ROW, create: SITE_ROW, update: {} });
}

/** Locks the settings until the transaction ends, then reads them. */
export async function lockSiteSettings(tx: Transaction): Promise<SiteSettingsRow> {
  const { id } = await readSiteSettings({ db: tx });
  await lockSiteRow(tx, id);
  return readSiteSettings({ db: tx });
}
