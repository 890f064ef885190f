import { setImmediate } from 'node:timers/promises';
import type { RedemptionBatch, RedemptionCode } from '../../generated/prisma/client.ts';
import { csvLine } from '../../platform/csv.ts';
import type { Services } from '../../platform/services.ts';
import { openCode } from '../redemption/code-vault.ts';
import { displayCode } from '../redemption/redemption-code.ts';

const HEADER = [
  ...['code', 'plan', 'unitTime', 'quantity', 'maxUses', 'usedCount', 'reservedCount', 'expiresAt'],
  ...['enabled', 'label', 'note'],
];

/** A page takes a few milliseconds to open, in which nothing else is answered. */
const CODES_ON_A_PAGE = 500;

/**
 * The codes of a batch as CSV, in pieces of a page each: the next one is read when somebody wants it, so memory does not
 * grow with the batch, and nothing is held in the database meanwhile. Deleted codes are left out.
 */
export async function* exportCodes(
  services: Pick<Services, 'db' | 'secrets'>,
  batch: RedemptionBatch,
): AsyncGenerator<string, void, void> {
  const plan = await services.db.plan.findUniqueOrThrow({ where: { id: batch.planId } });
  yield csvLine(HEADER);
  for (let after: string | null = null; ; ) {
    const codes = await readPage(services, { batchId: batch.id, after });
    const last = codes.at(-1);
    if (!last) return;
    yield codes.map((code) => lineOf(services, { code, batch, planName: plan.name })).join('');
    after = last.id;
    await setImmediate();
  }
}

function readPage(
  { db }: Pick<Services, 'db'>,
  { batchId, after }: { batchId: string; after: string | null },
): Promise<RedemptionCode[]> {
  return db.redemptionCode.findMany({
    where: { batchId, deletedAt: null, ...(after !== null && { id: { gt: after } }) },
    orderBy: { id: 'asc' },
    take: CODES_ON_A_PAGE,
  });
}

function lineOf(
  services: Pick<Services, 'secrets'>,
  { code, batch, planName }: { code: RedemptionCode; batch: RedemptionBatch; planName: string },
): string {
  return csvLine([
    ...[displayCode(openCode(services, code)), planName, batch.unitTime, batch.quantity],
    ...[code.maxUses, code.usedCount, code.reservedCount, code.expiresAt?.toISOString() ?? null],
    ...[code.enabled && batch.enabled, batch.label, code.note],
  ]);
}
