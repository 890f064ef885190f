import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import {
  DEVICE_SORTS,
  type DeviceListFilter,
  listDevices,
} from '../../src/modules/identity/device/list-devices.ts';
import { listUsers, type UserListFilter } from '../../src/modules/lifecycle/account/list-users.ts';
import {
  listOrders,
  ORDER_SORTS,
  type OrderListFilter,
} from '../../src/modules/redemption/order/list-orders.ts';
import {
  listAllSubscriptions,
  SUBSCRIPTION_SORTS,
} from '../../src/modules/subscription/list-subscriptions.ts';
import type { RunningServices } from '../../src/platform/services.ts';
import { databaseUrlOf } from '../support/database.ts';
import { buildCode, buildSubscription } from '../support/factories.ts';
import { createTestServices } from '../support/services.ts';

const ROWS = 10_000;
/** Maximum number of rows that PostgreSQL may read for a page of 20. The lists are far longer. */
const MOST_ROWS = 300;

let services: RunningServices;
let client: pg.Client;
let someUserId: string;

beforeAll(async () => {
  services = await createTestServices();
  const { db } = services;
  client = new pg.Client({ connectionString: await databaseUrlOf(services) });
  await client.connect();
  const { id: codeId } = await buildCode(db, { traits: ['unlimited'] });
  const { batchId, batch } = await db.redemptionCode.findUniqueOrThrow({
    where: { id: codeId },
    include: { batch: true },
  });
  const { id: subscriptionId } = await buildSubscription(db, { planId: batch.planId });
  // Ids are in order of time, as real ones are. The rows to find are rare and the oldest.
  await client.query(`
    CREATE FUNCTION nth_id(kind int, n int) RETURNS uuid LANGUAGE sql IMMUTABLE AS $$
      SELECT ('019a' || kind || '000-0000-7000-8000-' || lpad(to_hex(n), 12, '0'))::uuid $$`);
  for (const sql of [
    `INSERT INTO users (id, enabled) SELECT nth_id(1, n), n > 30 FROM generate_series(1, ${ROWS}) n`,
    `INSERT INTO identities (id, user_id, type, value) SELECT nth_id(2, n), nth_id(1, n), 'DEVICE', 'device-number-' || n
      FROM generate_series(1, ${ROWS}) n`,
    `INSERT INTO identities (id, user_id, type, value, password_hash)
      SELECT nth_id(3, n), nth_id(1, n), 'EMAIL', 'user' || n || '@example.test', '-' FROM generate_series(1, ${ROWS}) n`,
    `INSERT INTO devices (id, user_id, identity_id, short_code, last_seen_at)
      SELECT nth_id(4, n), nth_id(1, n), nth_id(2, n), 'Till ' || n,
        CASE WHEN n % 2 = 0 THEN now() - n * interval '1 minute' END FROM generate_series(1, ${ROWS}) n`,
    `INSERT INTO device_stays (id, user_id, device_id, last_seen_at) SELECT nth_id(5, n), nth_id(1, n), nth_id(4, n),
      now() FROM generate_series(10, ${ROWS}, 10) n`,
    `INSERT INTO orders (id, order_no, status, redeemed_by_id, user_id, code_id, batch_id, plan_id, unit_time, quantity,
        reset_cycle, code_hint, failure_code, finished_at, subscription_id, created_at, next_attempt_at)
      SELECT nth_id(6, n), 'T' || n, s.status::"OrderStatus", nth_id(1, n), nth_id(1, n), '${codeId}', '${batchId}',
        '${batch.planId}', 'MONTH', 1, 'NEVER', 'ZZZZ',
        CASE WHEN s.status = 'FAILED' THEN CASE WHEN n <= 30 THEN 'QUOTA_EXCEEDED' ELSE 'ACCOUNT_DISABLED' END END,
        CASE WHEN s.status <> 'PAID' THEN now() - n * interval '1 minute' END,
        CASE WHEN s.status = 'FINISHED' THEN '${subscriptionId}'::uuid END, now() - (${ROWS} - n) * interval '1 minute',
        CASE WHEN s.status = 'PAID' THEN now() + interval '1 day' END
      FROM generate_series(1, ${ROWS}) n CROSS JOIN LATERAL (SELECT CASE WHEN n <= 60 THEN 'FAILED'
        WHEN n <= 90 THEN 'CLOSED' WHEN n <= 120 THEN 'PAID' ELSE 'FINISHED' END AS status) s`,
    `INSERT INTO user_subscriptions (id, user_id, plan_id, starts_at, expires_at, token, credential)
      SELECT nth_id(7, n), nth_id(1, n), '${batch.planId}', now(),
        CASE WHEN n % 2 = 0 THEN now() + n * interval '1 minute' END, 'token ' || n, nth_id(7, n)
      FROM generate_series(1, ${ROWS}) n`,
    'ANALYZE',
  ]) {
    await client.query(sql);
  }
  someUserId = (await db.user.findFirstOrThrow({ where: { identities: { some: {} } } })).id;
}, 60_000);
afterAll(async () => {
  await client?.end();
  await services?.close();
});

/** Captures the SQL statement that reads the page. */
async function statementOf(read: () => Promise<unknown>): Promise<{ text: string; values: unknown[] }> {
  const query = vi.spyOn(pg.Client.prototype, 'query');
  try {
    await read();
    const sent = query.mock.calls.map(([asked]) => asked as unknown as { text?: string; values?: unknown[] });
    const page = sent.filter(({ text }) => text?.includes('LIMIT')).at(-1);
    return { text: page?.text ?? '', values: page?.values ?? [] };
  } finally {
    query.mockRestore();
  }
}

interface Plan {
  'Node Type': string;
  'Actual Rows': number;
  'Actual Loops': number;
  'Rows Removed by Filter'?: number;
  'Rows Removed by Join Filter'?: number;
  Plans?: Plan[];
}

/**
 * Counts the rows that PostgreSQL reads: those that scans return, and those that they filter out.
 */
async function rowsLookedAt(read: () => Promise<unknown>): Promise<number> {
  const { text, values } = await statementOf(read);
  expect(text).not.toBe('');
  const { rows } = await client.query(`EXPLAIN (ANALYZE, FORMAT JSON) ${text}`, values);
  return sumOf(rows[0]['QUERY PLAN'][0].Plan);
}

function sumOf(plan: Plan): number {
  const { 'Actual Rows': given, 'Actual Loops': loops, 'Rows Removed by Filter': dropped = 0 } = plan;
  const own = plan['Node Type'].includes('Scan') ? (given + dropped) * loops : 0;
  return (plan.Plans ?? []).reduce((sum, below) => sum + sumOf(below), own);
}

const minutesAgo = (minutes: number) => new Date(Date.now() - minutes * 60_000);

describe('a page of devices', () => {
  it.for<[string, () => DeviceListFilter]>([
    ['a short code', () => ({ shortCode: 'Till 7' })],
    ['a short code prefix', () => ({ shortCodePrefix: 'Till 1234' })],
    ['a frequent short code prefix', () => ({ shortCodePrefix: 'Till' })],
    ['an identifier', () => ({ identifier: 'device-number-7' })],
    ['an account', () => ({ userId: someUserId })],
    ['being online', () => ({ online: true })],
    ['being offline', () => ({ online: false })],
    ['nothing', () => ({})],
  ])('costs the same among many, by %s', async ([, filter]) => {
    const read = () => listDevices(services, { filter: filter(), page: {} });

    expect(await rowsLookedAt(read)).toBeLessThan(MOST_ROWS);
  });
});

describe('a page of orders', () => {
  it.for<[string, () => OrderListFilter]>([
    ['an owner', () => ({ userId: someUserId })],
    ['a rare status', () => ({ status: 'CLOSED' })],
    ['the usual status', () => ({ status: 'FINISHED' })],
    ['a failure code', () => ({ failureCode: 'QUOTA_EXCEEDED' })],
    ['an order number', () => ({ orderNo: 't7' })],
    ['an old time range', () => ({ from: minutesAgo(9_900), to: minutesAgo(9_000) })],
    ['a start time', () => ({ from: minutesAgo(9_900) })],
    ['an old end time', () => ({ to: minutesAgo(5_000) })],
    ['nothing', () => ({})],
  ])('costs the same among many, by %s', async ([, filter]) => {
    const read = () => listOrders(services, { filter: filter(), page: {} });

    expect(await rowsLookedAt(read)).toBeLessThan(MOST_ROWS);
  });
});

describe('a page of accounts', () => {
  it.for<[string, UserListFilter]>([
    ['an e-mail address', { email: 'USER777@example.test' }],
    ['an e-mail prefix', { email: 'user999' }],
    ['a frequent e-mail prefix', { email: 'user' }],
    ['a short code', { shortCode: 'Till 7' }],
    ['being disabled', { enabled: false }],
    ['being enabled', { enabled: true }],
    ['nothing', {}],
  ])('costs the same among many, by %s', async ([, filter]) => {
    expect(await rowsLookedAt(() => listUsers(services, { filter, page: {} }))).toBeLessThan(MOST_ROWS);
  });
});

/** Every sortable list, with its sort orders. */
const SORTED = {
  devices: [Object.keys(DEVICE_SORTS), listDevices],
  orders: [Object.keys(ORDER_SORTS), listOrders],
  subscriptions: [Object.keys(SUBSCRIPTION_SORTS), listAllSubscriptions],
} as const;

describe.for(Object.entries(SORTED))('a page deep in the list of %s', ([, [ways, read]]) => {
  it.for(ways)('reads few rows when sorted by %s', async (orderBy) => {
    const list = (first: number, after: string | null) =>
      read(services, { filter: {}, orderBy: orderBy as never, page: { first, after } });
    let after: string | null = null;
    for (let step = 0; step < 10; step++) after = (await list(100, after)).pageInfo.endCursor;

    expect(await rowsLookedAt(() => list(20, after))).toBeLessThan(MOST_ROWS);
  });
});
