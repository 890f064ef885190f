import type { Transaction } from './database.ts';

/** The time by PostgreSQL's clock, the only one that counts; inside a transaction, the time of its start. */
export async function databaseNow(tx: Pick<Transaction, '$queryRaw'>): Promise<Date> {
  const [row] = await tx.$queryRaw<[{ now: Date }]>`SELECT tessera_now() AS now`;
  return row.now;
}

export const SECOND_MS = 1_000;
export const DAY_MS = 86_400 * SECOND_MS;
