import { INVARIANTS } from '../../src/doctor/invariants.ts';
import type { Transaction } from '../../src/platform/database/database.ts';

/** Returns the violated invariants, each with up to five offending ids; empty if all hold. */
export async function checkInvariants(db: Pick<Transaction, '$queryRawUnsafe'>): Promise<string[]> {
  const violations: string[] = [];
  for (const { name, sql } of INVARIANTS) {
    const rows = await db.$queryRawUnsafe<{ id: string }[]>(`SELECT id FROM (${sql}) AS broken LIMIT 5`);
    if (rows.length > 0) violations.push(`${name}: ${rows.map(({ id }) => id).join(', ')}`);
  }
  return violations;
}
