import type { Transaction } from './database.ts';

/**
 * The time of PostgreSQL's clock, which all decisions use. In a transaction it is the time of its
 * start.
 */
export async function databaseNow(tx: Pick<Transaction, '$queryRaw'>): Promise<Date> {
  const [row] = await tx.$queryRaw<[{ now: Date }]>`SELECT tessera_now() AS now`;
  return row.now;
}

export const SECOND_MS = 1_000;
export const DAY_MS = 86_400 * SECOND_MS;
