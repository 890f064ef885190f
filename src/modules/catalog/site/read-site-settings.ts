import type { SiteSettings as SiteSettingsRow } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { lockSiteRow } from '../../kernel/locks.ts';

const THE_SITE = { id: 1 };

/**
 * The settings of the site as they are at this moment. They are never cached: what an admin changes holds at every
 * instance from the commit on. The first migration makes their row; should it be lost, it begins anew.
 */
export async function readSiteSettings({
  db,
}: {
  db: Pick<Transaction, 'siteSettings'>;
}): Promise<SiteSettingsRow> {
  const settings = await db.siteSettings.findUnique({ where: THE_SITE });
  return settings ?? db.siteSettings.upsert({ where: THE_SITE, create: THE_SITE, update: {} });
}

/** The settings under a lock that lasts until the transaction ends: whoever else changes them waits. */
export async function lockSiteSettings(tx: Transaction): Promise<SiteSettingsRow> {
  const { id } = await readSiteSettings({ db: tx });
  await lockSiteRow(tx, id);
  return readSiteSettings({ db: tx });
}
