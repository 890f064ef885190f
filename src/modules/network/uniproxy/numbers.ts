import { createReadCoalescer, type ReadCoalescer } from '../../../platform/database/read-coalescer.ts';
import type { Services } from '../../../platform/services.ts';

/*
 * Node programs of the V2board family know nodes and users by whole numbers, which are assigned
 * when one of them first needs them.
 */

type Numbering = Pick<Services, 'db'>;

/** The numbers of subscriptions, by id. Assigns those that are missing. */
export async function numbersOf(
  { db }: Numbering,
  subscriptionIds: readonly string[],
): Promise<Map<string, number>> {
  const known = await readNumbers({ db }, subscriptionIds);
  const missing = subscriptionIds.filter((id) => !known.has(id));
  if (missing.length === 0) return known;
  // Deleted subscriptions have no number. Conflicts are concurrent calls, whose numbers the query
  // below finds.
  await db.$executeRaw`
    INSERT INTO subscription_numbers (subscription_id)
    SELECT s.id FROM user_subscriptions s WHERE s.id = ANY(${missing}::uuid[])
    ORDER BY s.id ON CONFLICT DO NOTHING`;
  return new Map([...known, ...(await readNumbers({ db }, missing))]);
}

async function readNumbers({ db }: Numbering, ids: readonly string[]): Promise<Map<string, number>> {
  const rows = await db.$queryRaw<{ id: string; number: number }[]>`
    SELECT subscription_id::text AS id, number FROM subscription_numbers
    WHERE subscription_id = ANY(${[...ids]}::uuid[])`;
  return new Map(rows.map(({ id, number }) => [id, number]));
}

/** The ids of subscriptions, by number. Unknown numbers are left out. */
export async function subscriptionsNumbered(
  { db }: Numbering,
  numbers: readonly number[],
): Promise<Map<number, string>> {
  const rows = await db.subscriptionNumber.findMany({ where: { number: { in: [...numbers] } } });
  return new Map(rows.map(({ number, subscriptionId }) => [number, subscriptionId]));
}

/** Reads the number of a node; concurrent reads share statements. */
export type NodeNumbers = ReadCoalescer<number>;

/** Call once per process. */
export const createNodeNumbers = ({ db }: Numbering): NodeNumbers =>
  createReadCoalescer(async (nodeIds) => {
    const known = await readNodeNumbers({ db }, nodeIds);
    const missing = nodeIds.filter((id) => !known.has(id));
    if (missing.length === 0) return known;
    await db.nodeNumber.createMany({ data: missing.map((nodeId) => ({ nodeId })), skipDuplicates: true });
    return readNodeNumbers({ db }, nodeIds);
  });

async function readNodeNumbers({ db }: Numbering, nodeIds: readonly string[]): Promise<Map<string, number>> {
  const rows = await db.nodeNumber.findMany({ where: { nodeId: { in: [...nodeIds] } } });
  return new Map(rows.map(({ nodeId, number }) => [nodeId, number]));
}
