import type { Prisma } from '../../generated/prisma/client.ts';
import type { Transaction } from '../../platform/database/database.ts';
import { requestScope } from '../../platform/request-scope.ts';

/** Something that was changed, or tried; never a secret, a code or a token. */
export interface AuditRecord {
  /** What was done, as the field of the API that did it: `createPlan`. */
  action: string;
  /** Null when the service itself acted. */
  actorId: string | null;
  targetId?: string | null;
  before?: Prisma.InputJsonObject;
  after?: Prisma.InputJsonObject;
}

/** Writes it down in the transaction of the change: both are there, or neither. */
export async function recordAudit(tx: Pick<Transaction, 'auditEntry'>, record: AuditRecord): Promise<void> {
  await tx.auditEntry.create({ data: withRequest(record), select: { id: true } });
}

/** The same for many things that were changed together, in one statement. */
export async function recordAuditOfEach(
  tx: Pick<Transaction, 'auditEntry'>,
  records: readonly AuditRecord[],
): Promise<void> {
  await tx.auditEntry.createMany({ data: records.map(withRequest) });
}

function withRequest(record: AuditRecord) {
  const scope = requestScope();
  return { ...record, requestId: scope?.requestId ?? null, ip: scope?.ip ?? null };
}
