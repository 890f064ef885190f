import type { RedemptionBatch, RedemptionCode } from '../../../generated/prisma/client.ts';
import { csvLine } from '../../../platform/http/csv.ts';
import type { Services } from '../../../platform/services.ts';
import { openCode } from '../code/code-vault.ts';
import { readBatchCodes } from '../code/read-batch-codes.ts';
import { displayCode } from '../code/redemption-code.ts';

const HEADER = [
  ...['code', 'plan', 'unitTime', 'quantity', 'maxUses', 'usedCount', 'reservedCount', 'expiresAt'],
  ...['enabled', 'label', 'note'],
];

/** Streams the codes of a batch as CSV, one page of `readBatchCodes` per chunk. */
export async function* exportCodes(
  services: Pick<Services, 'db' | 'secrets'>,
  batch: RedemptionBatch,
): AsyncGenerator<string, void, void> {
  const plan = await services.db.plan.findUniqueOrThrow({ where: { id: batch.planId } });
  yield csvLine(HEADER);
  for await (const codes of readBatchCodes(services, batch.id)) {
    yield codes.map((code) => lineOf(services, { code, batch, planName: plan.name })).join('');
  }
}

function lineOf(
  services: Pick<Services, 'secrets'>,
  { code, batch, planName }: { code: RedemptionCode; batch: RedemptionBatch; planName: string },
): string {
  return csvLine([
    ...[displayCode(openCode(services, code)), planName, batch.unitTime, batch.quantity],
    ...[code.maxUses, code.usedCount, code.reservedCount, code.expiresAt?.toISOString() ?? null],
    ...[code.enabled && batch.enabled, batch.label, code.note ?? batch.note],
  ]);
}
