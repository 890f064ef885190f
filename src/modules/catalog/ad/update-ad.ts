import type { z } from 'zod';
import type { Ad } from '../../../generated/prisma/client.ts';
import { checkVersion, given } from '../../../platform/database/edit.ts';
import { checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { AdChange, auditedAd, checkWindow } from './ad-fields.ts';
import { lockAd } from './lock-ad.ts';

/**
 * Updates an advertisement. Absent fields keep their value; null clears optional ones.
 *
 * @throws PlatformError BAD_USER_INPUT, NOT_FOUND, EDIT_CONFLICT
 */
export function updateAd(
  { db }: Pick<Services, 'db'>,
  { actorId, id, input }: { actorId: string; id: string; input: z.input<typeof AdChange> },
): Promise<Ad> {
  const { version, ...fields } = checkInput(AdChange, input);
  const change = given(fields);
  return db.$transaction(async (tx) => {
    const before = await lockAd(tx, id);
    checkVersion(before, version);
    checkWindow({ ...before, ...change });
    const ad = await tx.ad.update({
      where: { id: before.id },
      data: { ...change, version: { increment: 1 } },
    });
    await recordAudit(tx, {
      action: 'updateAd',
      actorId,
      targetId: ad.id,
      before: auditedAd(before),
      after: auditedAd(ad),
    });
    return ad;
  });
}
