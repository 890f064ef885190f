import type { Ad } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { auditedAd } from './ad-fields.ts';
import { lockAd } from './lock-ad.ts';

/**
 * Deletes an advertisement. No other table refers to it, so its row is deleted; the audit entry
 * keeps its content.
 *
 * @returns the deleted advertisement
 * @throws PlatformError NOT_FOUND
 */
export function deleteAd(
  { db }: Pick<Services, 'db'>,
  { actorId, id }: { actorId: string; id: string },
): Promise<Ad> {
  return db.$transaction(async (tx) => {
    const ad = await lockAd(tx, id);
    await tx.ad.delete({ where: { id: ad.id } });
    await recordAudit(tx, { action: 'deleteAd', actorId, targetId: ad.id, before: auditedAd(ad) });
    return ad;
  });
}
