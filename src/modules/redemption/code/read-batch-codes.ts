import { setImmediate } from 'node:timers/promises';
import type { RedemptionCode } from '../../../generated/prisma/client.ts';
import type { Services } from '../../../platform/services.ts';

/** A page takes a few milliseconds to open, in which nothing else is answered. */
const CODES_ON_A_PAGE = 500;

/**
 * The codes of a batch in the order in which they were made, a page at a time: the next one is read when somebody wants it,
 * so memory does not grow with the batch, and nothing is held in the database meanwhile. Deleted codes are left out.
 */
export async function* readBatchCodes(
  { db }: Pick<Services, 'db'>,
  batchId: string,
): AsyncGenerator<RedemptionCode[], void, void> {
  for (let after: string | null = null; ; ) {
    const codes: RedemptionCode[] = await db.redemptionCode.findMany({
      where: { batchId, deletedAt: null, ...(after !== null && { id: { gt: after } }) },
      orderBy: { id: 'asc' },
      take: CODES_ON_A_PAGE,
    });
    const last = codes.at(-1);
    if (!last) return;
    yield codes;
    after = last.id;
    await setImmediate();
  }
}
