import { z } from 'zod';
import type { Ad, Prisma } from '../../../generated/prisma/client.ts';
import { EditedVersion } from '../../../platform/database/edit.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { label, longest, WebAddress } from '../../../platform/text.ts';

export const NewAd = z.object({
  type: label(50),
  title: label(200),
  description: longest(1_000),
  content: label(16_384),
  targetUrl: WebAddress.nullish(),
  startAt: z.date().nullish(),
  endAt: z.date().nullish(),
  enabled: z
    .boolean()
    .nullish()
    .transform((enabled) => enabled ?? true),
});

/** Absent fields keep their value; null clears optional ones. */
export const AdChange = NewAd.extend({ enabled: z.boolean() }).partial().extend({ version: EditedVersion });

/** @throws PlatformError BAD_USER_INPUT if it ends before it starts, or at the same time */
export function checkWindow({ startAt, endAt }: Pick<Ad, 'startAt' | 'endAt'>): void {
  if (!startAt || !endAt || endAt > startAt) return;
  throw new PlatformError('BAD_USER_INPUT', {
    field: 'input.endAt',
    message: 'input.endAt: must be after startAt',
  });
}

export function auditedAd({ id, startAt, endAt, createdAt, ...ad }: Ad): Prisma.InputJsonObject {
  return { ...ad, startAt: startAt?.toISOString() ?? null, endAt: endAt?.toISOString() ?? null };
}
