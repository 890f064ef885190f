import { Prisma } from '../../generated/prisma/client.ts';
import type { Transaction } from '../../platform/database/database.ts';

/*
 * The lock order. Every transaction takes row locks in this order, and within a table by ascending
 * id:
 *
 * node lists (advisory) · service state · users · orders · user subscriptions · batches · codes
 *
 * Rows of sites, plans, servers, nodes, ads and sessions are each locked alone, after the node
 * lists.
 *
 * A locking statement may return rows as they were before it waited, so base decisions on what the
 * next statement reads. FOR NO KEY UPDATE does not conflict with foreign-key checks; plain FOR
 * UPDATE on a referenced row deadlocks with them.
 */

type Locking = Pick<Transaction, '$executeRaw'>;

/**
 * Serializes changes of the inputs of node lists: nodes, nodes and tags of plans, addresses of
 * servers. Triggers take this lock too, but after row locks; taking it first prevents a deadlock.
 */
export async function lockNodeLists(tx: Locking): Promise<void> {
  await tx.$executeRaw`SELECT tessera_lock_node_lists()`;
}

const lockingUsers = (userIds: readonly string[]) => Prisma.sql`
  SELECT id FROM users WHERE id = ANY(${[...userIds]}::uuid[]) ORDER BY id FOR NO KEY UPDATE`;

export async function lockUsers(tx: Locking, userIds: readonly string[]): Promise<void> {
  await tx.$executeRaw(lockingUsers(userIds));
}

/**
 * SQL condition of a statement that must do its work after a CTE has done all of its own. It is
 * evaluated once, before any row is read.
 */
export const after = (cte: string) => Prisma.sql`(SELECT count(*) FROM ${Prisma.raw(cte)}) >= 0`;

/**
 * Locks users, then codes, in one statement.
 *
 * @param lookups keyed hashes of codes, in hex
 */
export async function lockUsersAndCodes(
  tx: Locking,
  { userIds, lookups }: { userIds: readonly string[]; lookups: readonly string[] },
): Promise<void> {
  await tx.$executeRaw`
    WITH locked_users AS MATERIALIZED (${lockingUsers(userIds)})
    SELECT id FROM redemption_codes
    WHERE lookup IN (SELECT decode(hex, 'hex') FROM unnest(${[...lookups]}::text[]) AS hex) AND deleted_at IS NULL
      AND ${after('locked_users')}
    ORDER BY id FOR NO KEY UPDATE`;
}

/**
 * Locks the users who own these orders, then the orders, in one statement. A merge may move an
 * order to another user until the order itself is locked, so compare the owners.
 *
 * @returns the ids of the locked users, and those of the users who own the locked orders
 */
export async function lockOrdersAndOwners(
  tx: Pick<Transaction, '$queryRaw'>,
  orderIds: readonly string[],
): Promise<{ lockedIds: ReadonlySet<string>; ownerIds: readonly string[] }> {
  const [row] = await tx.$queryRaw<[{ lockedIds: string[]; ownerIds: string[] }]>`
    WITH locked_users AS MATERIALIZED (
      SELECT id FROM users WHERE id IN (SELECT user_id FROM orders WHERE id = ANY(${[...orderIds]}::uuid[]))
      ORDER BY id FOR NO KEY UPDATE
    ), locked_orders AS MATERIALIZED (
      SELECT user_id FROM orders WHERE id = ANY(${[...orderIds]}::uuid[]) AND ${after('locked_users')}
      ORDER BY id FOR NO KEY UPDATE
    )
    SELECT ARRAY(SELECT id::text FROM locked_users) AS "lockedIds",
      ARRAY(SELECT user_id::text FROM locked_orders) AS "ownerIds"`;
  return { lockedIds: new Set(row.lockedIds), ownerIds: row.ownerIds };
}

export async function lockOrders(tx: Locking, orderIds: readonly string[]): Promise<void> {
  await tx.$executeRaw`
    SELECT id FROM orders WHERE id = ANY(${[...orderIds]}::uuid[]) ORDER BY id FOR NO KEY UPDATE`;
}

export async function lockSubscriptions(tx: Locking, ids: readonly string[]): Promise<void> {
  await lockSubscriptionsWhere(tx, Prisma.sql`id = ANY(${[...new Set(ids)]}::uuid[])`);
}

/** Locks all subscriptions of these users, expired and stopped ones included. */
export async function lockSubscriptionsOfUsers(tx: Locking, userIds: readonly string[]): Promise<void> {
  await lockSubscriptionsWhere(tx, Prisma.sql`user_id = ANY(${[...userIds]}::uuid[])`);
}

/** @param condition over the columns of `user_subscriptions` */
export async function lockSubscriptionsWhere(tx: Locking, condition: Prisma.Sql): Promise<void> {
  await tx.$executeRaw`SELECT id FROM user_subscriptions WHERE ${condition} ORDER BY id FOR NO KEY UPDATE`;
}

/** A SELECT that locks codes, for statements that also change them. */
export const lockingCodes = (codeIds: readonly string[]) => Prisma.sql`
  SELECT id FROM redemption_codes WHERE id = ANY(${[...codeIds]}::uuid[]) ORDER BY id FOR NO KEY UPDATE`;

export async function lockCodes(tx: Locking, codeIds: readonly string[]): Promise<void> {
  await tx.$executeRaw(lockingCodes(codeIds));
}

/** Tables whose rows are locked one at a time. */
type SingleRowTable = 'ads' | 'nodes' | 'plans' | 'redemption_batches' | 'servers' | 'sessions';

export async function lockRow(tx: Locking, table: SingleRowTable, id: string): Promise<void> {
  await tx.$executeRaw`SELECT id FROM ${Prisma.raw(table)} WHERE id = ${id}::uuid FOR NO KEY UPDATE`;
}

export async function lockSiteRow(tx: Locking, id: number): Promise<void> {
  await tx.$executeRaw`SELECT id FROM site_settings WHERE id = ${id} FOR NO KEY UPDATE`;
}

/** The row of `service_state`, while the secret key is rotated. */
export async function lockServiceState(tx: Locking): Promise<void> {
  await tx.$executeRaw`SELECT id FROM service_state FOR NO KEY UPDATE`;
}

/**
 * Ends a subquery that claims due rows. Rows that another transaction has locked are skipped, so
 * sweeps never wait and can run concurrently on any number of workers.
 */
export const SKIP_LOCKED = Prisma.sql`FOR NO KEY UPDATE SKIP LOCKED`;
