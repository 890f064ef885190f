import type { SiteSettings } from '../../../generated/prisma/client.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { isLiveSql } from '../../subscription/subscription-status.ts';

/**
 * Reads how many devices an account may have: the larger of the site's default and the largest
 * device limit among its live subscriptions. Null means unlimited.
 */
export async function readDeviceLimit(
  tx: Pick<Transaction, '$queryRaw'>,
  { userId, site }: { userId: string; site: Pick<SiteSettings, 'deviceLimit'> },
): Promise<number | null> {
  if (site.deviceLimit === null) return null;
  const [live] = await tx.$queryRaw<[{ largest: number | null; isUnlimited: boolean | null }]>`
    SELECT max(p.device_limit) AS largest, bool_or(p.device_limit IS NULL) AS "isUnlimited"
    FROM user_subscriptions s JOIN plans p ON p.id = s.plan_id
    WHERE s.user_id = ${userId}::uuid AND ${isLiveSql('s')}`;
  if (live.isUnlimited) return null;
  return Math.max(site.deviceLimit, live.largest ?? 0);
}
