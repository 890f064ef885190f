import type { Services } from '../../platform/services.ts';
import { openCode } from './code-vault.ts';
import { displayCode } from './redemption-code.ts';

const CODES_AT_ONCE = 1_000;

/** The codes of a batch as people read them, in the order in which they were made. */
export async function* readBatchCodes(
  services: Pick<Services, 'db' | 'secrets'>,
  batchId: string,
): AsyncGenerator<string> {
  let after = '00000000-0000-0000-0000-000000000000';
  for (;;) {
    const codes = await services.db.redemptionCode.findMany({
      where: { batchId, deletedAt: null, id: { gt: after } },
      orderBy: { id: 'asc' },
      take: CODES_AT_ONCE,
    });
    for (const code of codes) yield displayCode(openCode(services, code));
    const last = codes.at(-1);
    if (!last) return;
    after = last.id;
  }
}
