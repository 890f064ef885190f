import { z } from 'zod';
import type { RedemptionCode } from '../../../generated/prisma/client.ts';
import { crashPoint } from '../../../platform/crash-points.ts';
import type { Transaction } from '../../../platform/database/database.ts';
import { checkVersion, EditedVersion, given } from '../../../platform/database/edit.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { checkId, checkInput } from '../../../platform/input.ts';
import type { Services } from '../../../platform/services.ts';
import { lockCodes } from '../../kernel/locks.ts';
import { recordAudit } from '../../kernel/record-audit.ts';
import type { CodeOfBatch } from './list-redemption-codes.ts';

const CodeUpdate = z.object({
  version: EditedVersion,
  maxUses: z.int().min(1, 'must be at least 1').nullish(),
  expiresAt: z.date().nullish(),
  enabled: z.boolean().nullish(),
  note: z.string().max(1_000, 'must have at most 1000 characters').nullish(),
});

type CodeUpdate = z.output<typeof CodeUpdate>;

/**
 * Changes one code, audited. Absent fields keep their value; null means unlimited uses, no expiry
 * or no note. An expiry in the past expires the code immediately. Accepted orders keep their terms.
 *
 * @throws PlatformError NOT_FOUND; EDIT_CONFLICT if `version` is given and is not the current one;
 *   BAD_USER_INPUT, also if `maxUses` is below the number of redeemed and reserved uses
 */
export function updateRedemptionCode(
  { db }: Pick<Services, 'db'>,
  { actorId, id, input }: { actorId: string; id: string; input: z.input<typeof CodeUpdate> },
): Promise<CodeOfBatch> {
  const codeId = checkId(id);
  const update = checkInput(CodeUpdate, input);
  return db.$transaction(async (tx) => {
    await lockCodes(tx, [codeId]);
    const before = await tx.redemptionCode.findUnique({
      where: { id: codeId, deletedAt: null, batch: { deletedAt: null } },
    });
    if (!before) throw new PlatformError('NOT_FOUND');
    checkVersion(before, update.version);
    checkUses(before, update);
    const after = await writeUpdate(tx, codeId, update);
    await recordAudit(tx, {
      ...{ action: 'updateRedemptionCode', actorId, targetId: codeId },
      ...{ before: auditedCode(before), after: auditedCode(after) },
    });
    await crashPoint('updateRedemptionCode.beforeCommit');
    return after;
  });
}

function checkUses({ usedCount, reservedCount }: RedemptionCode, { maxUses }: CodeUpdate): void {
  const minimum = usedCount + reservedCount;
  if (maxUses == null || maxUses >= minimum) return;
  throw new PlatformError('BAD_USER_INPUT', {
    field: 'input.maxUses',
    message: `input.maxUses: must be at least ${minimum}, the number of redeemed and reserved uses`,
  });
}

function writeUpdate(
  tx: Transaction,
  id: string,
  { version: _version, enabled, ...fields }: CodeUpdate,
): Promise<CodeOfBatch> {
  return tx.redemptionCode.update({
    where: { id },
    data: { version: { increment: 1 }, ...given(fields), ...(enabled != null && { enabled }) },
    include: { batch: { include: { plan: true } } },
  });
}

const auditedCode = ({ maxUses, expiresAt, enabled, note }: RedemptionCode) => ({
  ...{ maxUses, enabled, note },
  expiresAt: expiresAt?.toISOString() ?? null,
});
