import type { SiteSettings as SiteSettingsRow } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import type { Services } from '../../../platform/services.ts';
import { lockSiteRow } from '../../kernel/locks.ts';

const SITE_ROW = { id: 1 };

/**
 * Reads the settings of the site. They are never cached, so that a change applies on every instance
 * as soon as it commits. The first migration creates the row; if the row is lost, it is recreated
 * with the defaults.
 */
export async function readSiteSettings({
  db,
}: {
  db: Pick<Transaction, 'siteSettings'>;
}): Promise<SiteSettingsRow> {
  const settings = await db.siteSettings.findUnique({ where: SITE_ROW });
  return settings ?? db.siteSettings.upsert({ where: SITE_ROW, create: SITE_ROW, update: {} });
}

/**
 * Checks whether devices must use transport encryption. Not cached, so that a change applies on
 * every instance as soon as it commits.
 */
export async function requiresEncryption({ db }: Pick<Services, 'db'>): Promise<boolean> {
  // Runs for most device requests, so it selects one column and skips the query builder.
  const [site] = await db.$queryRaw<{ isRequired: boolean }[]>`
    SELECT transport_encryption AS "isRequired" FROM site_settings WHERE id = 1`;
  return site?.isRequired ?? false;
}

/** Locks the settings until the transaction ends, then reads them. */
export async function lockSiteSettings(tx: Transaction): Promise<SiteSettingsRow> {
  const { id } = await readSiteSettings({ db: tx });
  await lockSiteRow(tx, id);
  return readSiteSettings({ db: tx });
}
