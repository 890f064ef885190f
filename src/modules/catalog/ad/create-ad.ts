import type { z } from 'zod';
import type { Ad } from '../../../generated/prisma/client.ts';
import { checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import { auditedAd, checkWindow, NewAd } from './ad-fields.ts';

/** @throws PlatformError BAD_USER_INPUT */
export function createAd(
  { db }: Pick<Services, 'db'>,
  { actorId, input }: { actorId: string; input: z.input<typeof NewAd> },
): Promise<Ad> {
  const { targetUrl = null, startAt = null, endAt = null, ...fields } = checkInput(NewAd, input);
  checkWindow({ startAt, endAt });
  return db.$transaction(async (tx) => {
    const ad = await tx.ad.create({ data: { ...fields, targetUrl, startAt, endAt } });
    await recordAudit(tx, { action: 'createAd', actorId, targetId: ad.id, after: auditedAd(ad) });
    return ad;
  });
}
