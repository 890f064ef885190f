import { setImmediate } from 'node:timers/promises';
import type { RedemptionCode } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';

/** Decrypting a page blocks the event loop for a few milliseconds. */
const PAGE_SIZE = 500;

/**
 * Streams the codes of a batch that are not deleted, oldest first, in pages. A page is read when
 * the consumer asks for it, so memory does not grow with the batch, and no transaction or cursor
 * stays open.
 */
export async function* readBatchCodes(
  { db }: Pick<Services, 'db'>,
  batchId: string,
): AsyncGenerator<RedemptionCode[], void, void> {
  for (let after: string | null = null; ; ) {
    const codes: RedemptionCode[] = await db.redemptionCode.findMany({
      where: { batchId, deletedAt: null, ...(after !== null && { id: { gt: after } }) },
      orderBy: { id: 'asc' },
      take: PAGE_SIZE,
    });
    const last = codes.at(-1);
    if (!last) return;
    yield codes;
    after = last.id;
    await setImmediate();
  }
}
