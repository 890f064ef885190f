import type { SiteSettings as SiteSettingsRow } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import type { Services } from '../../../platform/services.ts';
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

/** Whether devices must encrypt at this moment; what an admin sets holds for every instance at once. */
export async function requiresEncryption({ db }: Pick<Services, 'db'>): Promise<boolean> {
  // Asked for most requests of devices: the cheapest way to ask.
  const [site] = await db.$queryRaw<{ isRequired: boolean }[]>`
    SELECT transport_encryption AS "isRequired" FROM site_settings WHERE id = 1`;
  return site?.isRequired ?? false;
}

/** The settings under a lock that lasts until the transaction ends: whoever else changes them waits. */
export async function lockSiteSettings(tx: Transaction): Promise<SiteSettingsRow> {
  const { id } = await readSiteSettings({ db: tx });
  await lockSiteRow(tx, id);
  return readSiteSettings({ db: tx });
}
