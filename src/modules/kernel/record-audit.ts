import type { Prisma } from '../../generated/prisma/client.ts';
import type { Transaction } from '../../platform/database/database.ts';
import { requestScope } from '../../platform/request-scope.ts';

/** A change or an attempted change. Must not contain secrets, codes or tokens. */
export interface AuditRecord {
  /** Name of the mutation that made the change: `createPlan`. */
  action: string;
  /** Null if the service itself made the change. */
  actorId: string | null;
  targetId?: string | null;
  before?: Prisma.InputJsonObject;
  after?: Prisma.InputJsonObject;
}

/** Inserts an audit entry in the transaction of the change, so that both commit or neither does. */
export async function recordAudit(tx: Pick<Transaction, 'auditEntry'>, record: AuditRecord): Promise<void> {
  await tx.auditEntry.create({ data: withRequest(record), select: { id: true } });
}

/** Inserts the audit entries of changes that were made together, in one statement. */
export async function recordAudits(
  tx: Pick<Transaction, 'auditEntry'>,
  records: readonly AuditRecord[],
): Promise<void> {
  await tx.auditEntry.createMany({ data: records.map(withRequest) });
}

function withRequest(record: AuditRecord) {
  const scope = requestScope();
  return { ...record, requestId: scope?.requestId ?? null, ip: scope?.ip ?? null };
}
