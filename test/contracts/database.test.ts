import { randomUUID } from 'node:crypto';
import pg from 'pg';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { type OrderStatus, Prisma } from '../../src/generated/prisma/client.ts';
import {
  createDatabase,
  type Database,
  sqlState,
  violatedConstraint,
} from '../../src/platform/database/database.ts';
import { createTestDatabase } from '../support/database.ts';
import * as build from '../support/factories.ts';

const CHECK = '23514';
const UNIQUE = '23505';
const FOREIGN_KEY = '23503';

let database: Awaited<ReturnType<typeof createTestDatabase>>;
let db: Database;
let sql: pg.Client;
let base: Awaited<ReturnType<typeof buildBase>>;

beforeAll(async () => {
  database = await createTestDatabase();
  db = createDatabase({ url: database.url, poolSize: 2, log: { warn: () => {} } });
  sql = new pg.Client({ connectionString: database.url });
  await sql.connect();
  base = await buildBase();
}, 60_000);

afterAll(async () => {
  await db?.$disconnect();
  await sql?.end();
  await database?.drop();
});

/** One valid row of every table, with as many columns set as the constraints allow. */
async function buildBase() {
  const user = await build.buildUser(db);
  const userId = user.id;
  const email = await build.buildIdentity(db, { userId, type: 'EMAIL' });
  const device = await build.buildDevice(db, {
    userId,
    secretHash: build.bytes32(),
    ip: '192.0.2.7',
    shortCode: 'A1',
  });
  const deviceId = device.id;
  const plan = await build.buildPlan(db, { nodeTags: ['a'] });
  const planId = plan.id;
  const server = await build.buildServer(db, { cpu: 0.5, latitude: 1, longitude: 2 });
  const node = await build.buildNode(db, { serverId: server.id });
  const batch = await build.buildBatch(db, { planId, createdById: userId, idempotencyKey: 'base' });
  const code = await build.buildCode(db, { batchId: batch.id, maxUses: 5 });
  const subscription = await build.buildSubscription(db, { userId, planId, trafficLimit: 1n });
  const finished = await build.buildOrder(db, {
    userId,
    codeId: code.id,
    status: 'FINISHED',
    isNew: true,
    idempotencyKey: 'base',
    subscriptionId: subscription.id,
  });
  const current = await build.buildKeyPair(db);
  const previous = await build.buildKeyPair(db, { status: 'PREVIOUS' });
  const session = await build.buildSession(db, { userId, deviceId });
  const rows = {
    user,
    email,
    device,
    plan,
    server,
    node,
    batch,
    code,
    subscription,
    finished,
    current,
    previous,
    identity: await db.identity.findUniqueOrThrow({ where: { id: device.identityId } }),
    session,
    linkCode: await build.buildLinkCode(db, { userId, sessionId: session.id }),
    binding: await build.buildPendingBinding(db, { userId }),
    stay: await build.buildDeviceStay(db, { userId, deviceId }),
    paid: await build.buildOrder(db),
    failed: await build.buildOrder(db, { status: 'FAILED' }),
    redemption: await build.buildRedemption(db, { orderId: finished.id }),
    ad: await build.buildAd(db, { startAt: build.inDays(0) }),
    audit: await build.buildAuditEntry(db, { after: { name: 'x' }, ip: '192.0.2.7' }),
  };
  await build.buildPlanNode(db, { planId, nodeId: node.id });
  await build.buildTrafficReport(db, { serverId: server.id });
  await db.nodeDeparture.create({ data: { serverId: server.id, nodeId: node.id, planId } });
  await db.nodeNumber.create({ data: { nodeId: node.id } });
  await db.subscriptionNumber.create({ data: { subscriptionId: subscription.id } });
  await build.buildWrongGuess(db, { userId });
  await db.identityHistory.create({ data: { keyHash: build.bytes32(), userId } });
  await db.inheritedRedemption.create({ data: { userId, codeId: code.id, orderId: finished.id } });
  await db.spentNonce.create({ data: { nonce: build.bytes32(), expiresAt: build.inDays(1) } });
  await db.jobRun.create({ data: { name: 'sweep', progress: { done: 1 } } });
  await db.retainedMacKey.create({
    data: { purpose: 'test', keyCiphertext: build.bytes32(), expiresAt: build.inDays(1) },
  });
  await db.serviceProcess.create({
    data: {
      ...{ id: randomUUID(), role: 'api', host: 'host', pid: 1, version: '0.1.0' },
      ...{ secretFingerprints: [build.bytes32()], sealsWith: build.bytes32() },
    },
  });
  return rows;
}

type Base = typeof base;

/** A statement that violates only the named constraint of `table`. */
interface Case {
  name: string;
  table: string;
  statement: (rows: Base) => string;
}

/** Updates the base row to an invalid value. */
function change(name: string, table: string, row: keyof Base, set: string): Case {
  return { name, table, statement: (rows) => `UPDATE ${table} SET ${set} WHERE id = '${rows[row].id}'` };
}

/** Inserts a copy of the base row, except for the given columns. */
function copy(
  name: string,
  table: string,
  row: keyof Base,
  other: (rows: Base) => Record<string, unknown> = () => ({}),
): Case {
  const statement = (rows: Base) => {
    const overrides = JSON.stringify({ id: randomUUID(), ...other(rows) });
    return `INSERT INTO ${table}
      SELECT (jsonb_populate_record(source, '${overrides}')).* FROM ${table} source WHERE id = '${rows[row].id}'`;
  };
  return { name, table, statement };
}

const PUBLIC_KEY = `public_key = '{"kty":"EC"}', key_thumbprint = 'x'`;

const CHECKS: Case[] = [
  {
    name: 'users_merged_is_closed_check',
    table: 'users',
    statement: ({ user, failed }) =>
      `UPDATE users SET merged_into_id = '${failed.userId}' WHERE id = '${user.id}'`,
  },
  change('users_not_merged_into_itself_check', 'users', 'user', 'merged_into_id = id, deleted_at = now()'),
  change('identities_password_check', 'identities', 'email', 'password_hash = NULL'),
  change('identities_password_check', 'identities', 'identity', `password_hash = 'x'`),
  change('identities_email_check', 'identities', 'email', `value = 'Someone@example.com'`),
  change('identities_email_check', 'identities', 'email', `value = repeat('a', 255)`),
  change('identities_identifier_check', 'identities', 'identity', `value = 'seven77'`),
  change('identities_identifier_check', 'identities', 'identity', `value = repeat('a', 129)`),
  change('devices_one_proof_check', 'devices', 'device', PUBLIC_KEY),
  change('devices_secret_hash_check', 'devices', 'device', `secret_hash = '\\x00'`),
  change(
    'devices_public_key_check',
    'devices',
    'device',
    `secret_hash = NULL, ${PUBLIC_KEY.replace('{"kty":"EC"}', 'null')}`,
  ),
  change('devices_key_thumbprint_check', 'devices', 'device', `key_thumbprint = 'x'`),
  change('devices_key_thumbprint_check', 'devices', 'device', `secret_hash = NULL, public_key = '{}'`),
  change('devices_short_code_check', 'devices', 'device', `short_code = ''`),
  change('devices_short_code_check', 'devices', 'device', `short_code = repeat('a', 33)`),
  change('sessions_refresh_seed_check', 'sessions', 'session', `refresh_seed = '\\x00'`),
  change('sessions_refresh_generation_check', 'sessions', 'session', 'refresh_generation = -1'),
  change('link_codes_code_hash_check', 'link_codes', 'linkCode', `code_hash = '\\x00'`),
  change('pending_bindings_token_hash_check', 'pending_bindings', 'binding', `token_hash = '\\x00'`),
  change('pending_bindings_kind_check', 'pending_bindings', 'binding', `kind = 'WHATEVER'`),
  change(
    'device_stays_ends_after_start_check',
    'device_stays',
    'stay',
    `ended_at = started_at - interval '1 ms'`,
  ),
  change('plans_name_check', 'plans', 'plan', `name = ''`),
  change('plans_name_check', 'plans', 'plan', `name = repeat('a', 101)`),
  change('plans_traffic_limit_check', 'plans', 'plan', 'traffic_limit = -1'),
  change('plans_device_limit_check', 'plans', 'plan', 'device_limit = -1'),
  change('plans_speed_limit_check', 'plans', 'plan', 'speed_limit = 0'),
  change('plans_quota_check', 'plans', 'plan', 'quota = -1'),
  change('redemption_batches_quantity_check', 'redemption_batches', 'batch', 'quantity = 0'),
  change('redemption_batches_quantity_check', 'redemption_batches', 'batch', 'quantity = 36501'),
  change('redemption_batches_max_uses_check', 'redemption_batches', 'batch', 'max_uses = 0'),
  change('redemption_batches_count_check', 'redemption_batches', 'batch', 'count = 1000001'),
  change('redemption_batches_count_check', 'redemption_batches', 'batch', 'count = 0, created = 0'),
  change('redemption_batches_created_check', 'redemption_batches', 'batch', 'created = count + 1'),
  change('redemption_batches_created_check', 'redemption_batches', 'batch', 'created = -1'),
  change('redemption_batches_request_mac_check', 'redemption_batches', 'batch', `request_mac = '\\x00'`),
  change(
    'redemption_batches_request_mac_has_key_check',
    'redemption_batches',
    'batch',
    `request_mac = sha256('x'), idempotency_key = NULL`,
  ),
  change('redemption_codes_lookup_check', 'redemption_codes', 'code', `lookup = '\\x00'`),
  change('redemption_codes_hint_check', 'redemption_codes', 'code', `hint = 'ABCDE'`),
  change('redemption_codes_max_uses_check', 'redemption_codes', 'code', 'max_uses = 0, used_count = 0'),
  change('redemption_codes_used_count_check', 'redemption_codes', 'code', 'used_count = -1'),
  change('redemption_codes_reserved_count_check', 'redemption_codes', 'code', 'reserved_count = -1'),
  change('redemption_codes_within_max_uses_check', 'redemption_codes', 'code', 'used_count = 6'),
  change('redemption_codes_within_max_uses_check', 'redemption_codes', 'code', 'reserved_count = 5'),
  change('orders_quantity_check', 'orders', 'paid', 'quantity = 0'),
  change('orders_quantity_check', 'orders', 'paid', 'quantity = 36501'),
  change('orders_traffic_limit_check', 'orders', 'paid', 'traffic_limit = -1'),
  change('orders_attempts_check', 'orders', 'paid', 'attempts = -1'),
  change('orders_idempotency_key_check', 'orders', 'paid', `idempotency_key = ''`),
  change('orders_idempotency_key_check', 'orders', 'paid', `idempotency_key = repeat('a', 65)`),
  change('orders_failed_has_reason_check', 'orders', 'failed', 'failure_code = NULL'),
  change('orders_failed_has_reason_check', 'orders', 'paid', `failure_code = 'QUOTA_EXCEEDED'`),
  change('orders_failure_code_check', 'orders', 'failed', `failure_code = 'BAD_LUCK'`),
  change('orders_finished_has_subscription_check', 'orders', 'finished', 'subscription_id = NULL'),
  {
    name: 'orders_finished_has_subscription_check',
    table: 'orders',
    statement: (rows) =>
      `UPDATE orders SET subscription_id = '${rows.subscription.id}' WHERE id = '${rows.paid.id}'`,
  },
  change('orders_ended_has_time_check', 'orders', 'finished', 'finished_at = NULL'),
  change('orders_ended_has_time_check', 'orders', 'paid', 'finished_at = now()'),
  change('orders_paid_has_next_attempt_check', 'orders', 'paid', 'next_attempt_at = NULL'),
  change(
    'orders_promised_is_kept_check',
    'orders',
    'paid',
    `is_promised = true, status = 'CLOSED', finished_at = now(), next_attempt_at = NULL, is_new = false`,
  ),
  change('orders_paid_has_next_attempt_check', 'orders', 'failed', 'next_attempt_at = now()'),
  change('orders_new_counts_check', 'orders', 'failed', 'is_new = true'),
  change(
    'user_subscriptions_ends_after_start_check',
    'user_subscriptions',
    'subscription',
    `expires_at = starts_at - interval '1 ms'`,
  ),
  change(
    'user_subscriptions_traffic_limit_check',
    'user_subscriptions',
    'subscription',
    'traffic_limit = -1',
  ),
  change(
    'user_subscriptions_trial_traffic_check',
    'user_subscriptions',
    'subscription',
    'trial_traffic = -1',
  ),
  {
    name: 'identity_history_key_hash_check',
    table: 'identity_history',
    statement: () => `UPDATE identity_history SET key_hash = '\\x00'`,
  },
  change('user_subscriptions_upload_check', 'user_subscriptions', 'subscription', 'upload = -1'),
  change('user_subscriptions_download_check', 'user_subscriptions', 'subscription', 'download = -1'),
  change('user_subscriptions_reset_check', 'user_subscriptions', 'subscription', 'next_reset_at = now()'),
  change('user_subscriptions_reset_check', 'user_subscriptions', 'subscription', `reset_cycle = 'YEARLY'`),
  change(
    'user_subscriptions_bonus_traffic_check',
    'user_subscriptions',
    'subscription',
    'bonus_traffic = -1',
  ),
  change('user_subscriptions_bonus_traffic_check', 'user_subscriptions', 'subscription', 'bonus_traffic = 1'),
  change(
    'user_subscriptions_bonus_traffic_check',
    'user_subscriptions',
    'subscription',
    `reset_cycle = 'YEARLY', next_reset_at = now(), bonus_traffic = traffic_limit + 1`,
  ),
  change(
    'user_subscriptions_bonus_traffic_check',
    'user_subscriptions',
    'subscription',
    `reset_cycle = 'YEARLY', next_reset_at = now(), traffic_limit = NULL, bonus_traffic = 1`,
  ),
  change(
    'user_subscriptions_exhausted_has_limit_check',
    'user_subscriptions',
    'subscription',
    `status = 'EXHAUSTED', traffic_limit = NULL`,
  ),
  change(
    'user_subscriptions_expired_has_end_check',
    'user_subscriptions',
    'subscription',
    `status = 'EXPIRED', expires_at = NULL`,
  ),
  change('servers_token_hash_check', 'servers', 'server', `token_hash = '\\x00'`),
  change('servers_latitude_check', 'servers', 'server', 'latitude = 91'),
  change('servers_longitude_check', 'servers', 'server', 'longitude = -181'),
  change('nodes_port_check', 'nodes', 'node', 'port = 0'),
  change('nodes_port_check', 'nodes', 'node', 'port = 65536'),
  change('nodes_ratio_check', 'nodes', 'node', 'ratio = -0.0001'),
  change('nodes_ratio_check', 'nodes', 'node', `ratio = 'NaN'`),
  change('nodes_client_config_check', 'nodes', 'node', `client_config = '[]'`),
  {
    name: 'traffic_reports_sequence_check',
    table: 'traffic_reports',
    statement: () => 'UPDATE traffic_reports SET sequence = -1',
  },
  {
    name: 'traffic_reports_refusal_reasons_check',
    table: 'traffic_reports',
    statement: () => `UPDATE traffic_reports SET refusal_reasons = decode(repeat('00', 1251), 'hex')`,
  },
  change('ads_ends_after_start_check', 'ads', 'ad', 'end_at = start_at'),
  change('ads_readable_times_check', 'ads', 'ad', `end_at = '10000-01-01Z'`),
  change('ads_readable_times_check', 'ads', 'ad', `start_at = '0001-01-01 BC', end_at = NULL`),
  change('redemption_batches_readable_times_check', 'redemption_batches', 'batch', `expires_at = 'infinity'`),
  change('redemption_codes_readable_times_check', 'redemption_codes', 'code', `expires_at = '10000-01-01Z'`),
  change(
    'user_subscriptions_readable_times_check',
    'user_subscriptions',
    'subscription',
    `expires_at = '11026-11-26Z'`,
  ),
  change(
    'user_subscriptions_readable_times_check',
    'user_subscriptions',
    'subscription',
    `starts_at = '-infinity'`,
  ),

  {
    name: 'site_settings_one_row_check',
    table: 'site_settings',
    statement: () => 'INSERT INTO site_settings (id) VALUES (2)',
  },
  {
    name: 'service_state_one_row_check',
    table: 'service_state',
    statement: () => 'INSERT INTO service_state (id) VALUES (2)',
  },
  {
    name: 'service_state_secret_fingerprint_check',
    table: 'service_state',
    statement: () => `UPDATE service_state SET secret_fingerprint = '\\x00'`,
  },
  {
    name: 'site_settings_device_limit_check',
    table: 'site_settings',
    statement: () => 'UPDATE site_settings SET device_limit = -1',
  },
  {
    name: 'site_settings_roaming_seconds_check',
    table: 'site_settings',
    statement: () => 'UPDATE site_settings SET roaming_seconds = 601',
  },
  {
    name: 'site_settings_trial_check',
    table: 'site_settings',
    statement: () => 'UPDATE site_settings SET trial_quantity = 1',
  },
  {
    name: 'site_settings_trial_quantity_check',
    table: 'site_settings',
    statement: ({ plan }) =>
      `UPDATE site_settings SET trial_plan_id = '${plan.id}', trial_unit_time = 'DAY', trial_quantity = 0`,
  },
  {
    name: 'wrong_guesses_count_check',
    table: 'wrong_guesses',
    statement: () => 'UPDATE wrong_guesses SET count = 0',
  },
];

const UNIQUES: Case[] = [
  ...(['node', 'subscription'] as const).map((of) => ({
    name: `${of}_numbers_${of}_id_key`,
    table: `${of}_numbers`,
    statement: (rows: Base) => `INSERT INTO ${of}_numbers (${of}_id) VALUES ('${rows[of].id}')`,
  })),
  copy('identities_type_value_key', 'identities', 'identity'),
  copy('identities_one_email_key', 'identities', 'email', () => ({ value: 'other@example.com' })),
  copy('devices_identity_id_user_id_key', 'devices', 'device'),
  copy('sessions_one_per_device_key', 'sessions', 'session'),
  copy('key_pairs_kid_key', 'key_pairs', 'current', () => ({ status: 'RETIRED' })),
  copy('key_pairs_one_current_key', 'key_pairs', 'current', () => ({ kid: 'another' })),
  copy('key_pairs_one_previous_key', 'key_pairs', 'previous', () => ({ kid: 'another' })),
  copy('link_codes_code_hash_key', 'link_codes', 'linkCode'),
  copy('pending_bindings_token_hash_key', 'pending_bindings', 'binding'),
  copy('device_stays_one_open_key', 'device_stays', 'stay'),
  copy('redemption_batches_idempotency_key_key', 'redemption_batches', 'batch'),
  copy('redemption_codes_lookup_key', 'redemption_codes', 'code'),
  copy('orders_order_no_key', 'orders', 'paid', ({ code }) => ({ code_id: code.id })),
  copy('orders_one_per_code_key', 'orders', 'finished', () => ({
    order_no: 'another',
    is_new: false,
    idempotency_key: null,
  })),
  copy('orders_idempotency_key_key', 'orders', 'finished', ({ paid }) => ({
    order_no: 'another',
    is_new: false,
    code_id: paid.codeId,
  })),
  copy('orders_one_new_key', 'orders', 'finished', ({ paid }) => ({
    order_no: 'another',
    idempotency_key: null,
    code_id: paid.codeId,
  })),
  copy('redemptions_order_id_key', 'redemptions', 'redemption', ({ paid }) => ({ code_id: paid.codeId })),
  copy('redemptions_redeemed_by_id_code_id_key', 'redemptions', 'redemption', ({ paid }) => ({
    order_id: paid.id,
  })),
  copy('user_subscriptions_token_key', 'user_subscriptions', 'subscription', () => ({
    credential: randomUUID(),
    status: 'STOPPED',
  })),
  copy('user_subscriptions_credential_key', 'user_subscriptions', 'subscription', () => ({
    token: 'another',
    status: 'STOPPED',
  })),
  copy('user_subscriptions_one_live_key', 'user_subscriptions', 'subscription', () => ({
    token: 'another',
    credential: randomUUID(),
    status: 'EXHAUSTED',
  })),
  copy('servers_token_hash_key', 'servers', 'server'),
];

/** Rows that the partial unique indexes must allow although they resemble the base row. */
const ALLOWED: [what: string, Case][] = [
  [
    'a second session of a device whose first is revoked',
    copy('', 'sessions', 'session', () => ({ revoked_at: '2026-01-01T00:00:00Z' })),
  ],
  [
    'any number of retired keys',
    copy('', 'key_pairs', 'current', () => ({ kid: 'another', status: 'RETIRED' })),
  ],
  [
    'a second stay after the first',
    copy('', 'device_stays', 'stay', () => ({ ended_at: '2100-01-01T00:00:00Z' })),
  ],
  [
    'a code equal to a deleted one',
    copy('', 'redemption_codes', 'code', () => ({ deleted_at: '2026-01-01T00:00:00Z' })),
  ],
  [
    'the code and the key of a CLOSED order',
    copy('', 'orders', 'finished', () => ({
      order_no: 'another',
      status: 'CLOSED',
      is_new: false,
      subscription_id: null,
    })),
  ],
  [
    'the code of a FAILED order, in a new one',
    copy('', 'orders', 'failed', () => ({
      order_no: 'another',
      status: 'PAID',
      failure_code: null,
      finished_at: null,
      next_attempt_at: '2026-01-01T00:00:00Z',
    })),
  ],
  [
    'a new subscription of a plan after one that has expired',
    copy('', 'user_subscriptions', 'subscription', () => ({
      token: 'another',
      credential: randomUUID(),
      status: 'EXPIRED',
    })),
  ],
];

const RULES: Case[] = [
  change('orders_status_transition', 'orders', 'failed', `status = 'CLOSED', failure_code = NULL`),
  change('orders_origin_is_fixed', 'orders', 'paid', `order_no = 'another'`),
  {
    name: 'orders_origin_is_fixed',
    table: 'orders',
    statement: ({ user, paid }) => `UPDATE orders SET redeemed_by_id = '${user.id}' WHERE id = '${paid.id}'`,
  },
  {
    name: 'orders_origin_is_fixed',
    table: 'orders',
    statement: ({ code, paid }) => `UPDATE orders SET code_id = '${code.id}' WHERE id = '${paid.id}'`,
  },
  {
    name: 'redemptions_origin_is_fixed',
    table: 'redemptions',
    statement: ({ failed }) => `UPDATE redemptions SET redeemed_by_id = '${failed.userId}'`,
  },
  {
    name: 'redemptions_origin_is_fixed',
    table: 'redemptions',
    statement: ({ paid }) => `UPDATE redemptions SET code_id = '${paid.codeId}'`,
  },
  {
    name: 'redemptions_origin_is_fixed',
    table: 'redemptions',
    statement: ({ paid }) => `UPDATE redemptions SET order_id = '${paid.id}'`,
  },
  change('audit_entries_are_fixed', 'audit_entries', 'audit', `action = 'nothing'`),
  { name: 'audit_entries_are_kept', table: 'audit_entries', statement: () => 'DELETE FROM audit_entries' },
  { name: 'audit_entries_append_only', table: 'audit_entries', statement: () => 'TRUNCATE audit_entries' },
];

// Targets of composite foreign keys, which the primary key already makes unique.
const IMPLIED_BY_PRIMARY_KEY = ['identities_id_user_id_key', 'devices_id_user_id_key'];
// Tested below.
const STAMPS = [
  'user_subscriptions_revision',
  'users_revision',
  // Node list triggers are tested in test/modules/network/node-list/node-lists.test.ts.
  'nodes_change_node_lists',
  'nodes_lock_node_lists',
  'nodes_renew_node_lists',
  'plan_nodes_lock_node_lists',
  'plan_nodes_renew_node_lists',
  'plans_lock_node_lists',
  'plans_renew_node_list',
  'servers_lock_node_lists',
  'servers_renew_node_lists',
  // Server list triggers are tested in test/modules/network/agent/server-users.test.ts.
  'nodes_lists_added',
  'nodes_lists_changed',
  'plans_lists',
  'plan_nodes_lists_added',
  'plan_nodes_lists_removed',
  // Departures are tested in test/modules/network/traffic/departures.test.ts.
  'nodes_departures',
  'plans_departures',
  'plan_nodes_departures',
];

/** Foreign keys that do not restrict the deletion of the referenced row. */
const DELETE_ACTIONS: Record<string, string> = {
  devices_identity_id_user_id_fkey: 'CASCADE',
  sessions_device_id_user_id_fkey: 'CASCADE',
  link_codes_session_id_fkey: 'CASCADE',
  device_stays_device_id_fkey: 'SET NULL',
  plan_nodes_plan_id_fkey: 'CASCADE',
  plan_nodes_node_id_fkey: 'CASCADE',
  node_departures_server_id_fkey: 'CASCADE',
  node_departures_node_id_fkey: 'CASCADE',
  node_departures_plan_id_fkey: 'CASCADE',
  node_numbers_node_id_fkey: 'CASCADE',
  subscription_numbers_subscription_id_fkey: 'CASCADE',
};

/** Every foreign key, so that adding one is a deliberate decision. */
const FOREIGN_KEYS = [
  'node_numbers_node_id_fkey',
  'subscription_numbers_subscription_id_fkey',
  'users_merged_into_id_fkey',
  'user_subscriptions_absorbed_by_id_fkey',
  'identities_user_id_fkey',
  'devices_user_id_fkey',
  'devices_identity_id_user_id_fkey',
  'sessions_user_id_fkey',
  'sessions_device_id_user_id_fkey',
  'link_codes_user_id_fkey',
  'link_codes_created_by_id_fkey',
  'link_codes_session_id_fkey',
  'pending_bindings_user_id_fkey',
  'device_stays_user_id_fkey',
  'device_stays_device_id_fkey',
  'plan_nodes_plan_id_fkey',
  'plan_nodes_node_id_fkey',
  'node_departures_server_id_fkey',
  'node_departures_node_id_fkey',
  'node_departures_plan_id_fkey',
  'redemption_batches_plan_id_fkey',
  'redemption_batches_created_by_id_fkey',
  'redemption_codes_batch_id_fkey',
  'orders_redeemed_by_id_fkey',
  'orders_user_id_fkey',
  'orders_code_id_fkey',
  'orders_batch_id_fkey',
  'orders_plan_id_fkey',
  'orders_subscription_id_fkey',
  'redemptions_order_id_fkey',
  'redemptions_code_id_fkey',
  'redemptions_batch_id_fkey',
  'redemptions_redeemed_by_id_fkey',
  'redemptions_user_id_fkey',
  'redemptions_plan_id_fkey',
  'redemptions_subscription_id_fkey',
  'user_subscriptions_user_id_fkey',
  'user_subscriptions_plan_id_fkey',
  'nodes_server_id_fkey',
  'traffic_reports_server_id_fkey',
  'site_settings_trial_plan_id_fkey',
  'wrong_guesses_user_id_fkey',
  'identity_history_user_id_fkey',
  'inherited_redemptions_user_id_fkey',
  'inherited_redemptions_code_id_fkey',
  'inherited_redemptions_order_id_fkey',
];

/** Further columns to set so that no other constraint is violated. */
const BESIDE_FOREIGN_KEY: Record<string, string> = {
  users_merged_into_id_fkey: ', deleted_at = now()',
  user_subscriptions_absorbed_by_id_fkey: ', version = version + 1',
  site_settings_trial_plan_id_fkey: `, trial_unit_time = 'DAY', trial_quantity = 1`,
};

/** Runs work in a transaction that is rolled back. */
async function undone<T>(run: () => Promise<T>): Promise<T> {
  await sql.query('BEGIN');
  try {
    return await run();
  } finally {
    await sql.query('ROLLBACK');
  }
}

/** Returns the violated constraint and SQLSTATE; undefined if the statement succeeds. */
async function refusal(statement: string): Promise<{ constraint?: string; code?: string } | undefined> {
  try {
    const { rowCount } = await sql.query(statement);
    if (rowCount === 0) throw new Error(`touched no row: ${statement}`);
    return undefined;
  } catch (error) {
    if (!(error instanceof pg.DatabaseError)) throw error;
    return { constraint: error.constraint ?? error.message, code: error.code ?? '' };
  }
}

const DROP: Record<string, (item: Case) => string> = {
  check: ({ name, table }) => `ALTER TABLE ${table} DROP CONSTRAINT ${name}`,
  index: ({ name }) => `DROP INDEX ${name}`,
  trigger: ({ name, table }) => `DROP TRIGGER ${name} ON ${table}`,
};

async function waitUntilBlockedBy(pid: number): Promise<void> {
  await vi.waitFor(
    async () => {
      const { length } = await db.$queryRaw<
        unknown[]
      >`SELECT pid FROM pg_stat_activity WHERE ${pid} = ANY (pg_blocking_pids(pid))`;
      if (length === 0) throw new Error('nobody waits for this transaction');
    },
    { timeout: 2_000, interval: 10 },
  );
}

/** Checks that the statement fails, and succeeds once the constraint is dropped. */
async function expectRefusedOnlyBy(item: Case, kind: 'check' | 'index' | 'trigger', code: string) {
  const statement = item.statement(base);
  expect(await undone(() => refusal(statement))).toEqual({ constraint: item.name, code });
  const without = undone(async () => {
    await sql.query(DROP[kind]?.(item) ?? '');
    return refusal(statement);
  });
  expect(await without).toBeUndefined();
}

describe('the database', () => {
  it.each(CHECKS)('enforces the check constraint $name', (item) => expectRefusedOnlyBy(item, 'check', CHECK));
  it.each(UNIQUES)('enforces the unique index $name', (item) => expectRefusedOnlyBy(item, 'index', UNIQUE));
  it.each(RULES)('enforces the trigger $name', (item) => expectRefusedOnlyBy(item, 'trigger', CHECK));

  it.each(ALLOWED)('allows %s', async (_what, item) => {
    expect(await undone(() => refusal(item.statement(base)))).toBeUndefined();
  });

  it.each(FOREIGN_KEYS)('enforces the foreign key %s', async (name) => {
    const { rows } = await sql.query(
      `SELECT conrelid::regclass::text AS "table", confdeltype AS action, attname AS "column"
       FROM pg_constraint JOIN pg_attribute ON attrelid = conrelid AND attnum = conkey[1] WHERE conname = $1`,
      [name],
    );
    const { table, action, column } = rows[0];
    const refused = undone(async () => {
      await sql.query(`ALTER TABLE ${table} DISABLE TRIGGER USER`);
      const beside = BESIDE_FOREIGN_KEY[name] ?? '';
      return refusal(
        `UPDATE ${table} SET ${column} = '${randomUUID()}'${beside} WHERE ${column} IS NOT NULL OR ${beside !== ''}`,
      );
    });
    expect(await refused).toEqual({ constraint: name, code: FOREIGN_KEY });
    const actions: Record<string, string> = { r: 'RESTRICT', c: 'CASCADE', n: 'SET NULL' };
    expect(actions[action]).toBe(DELETE_ACTIONS[name] ?? 'RESTRICT');
  });

  it('has no constraint, unique index or trigger without a test', async () => {
    const { rows } = await sql.query<{ name: string }>(`
      SELECT conname AS name FROM pg_constraint
        WHERE connamespace = 'public'::regnamespace AND contype IN ('c', 'u', 'f', 'x')
      UNION SELECT indexrelid::regclass::text FROM pg_index
        WHERE indisunique AND NOT indisprimary AND indrelid IN
          (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)
      UNION SELECT tgname FROM pg_trigger WHERE NOT tgisinternal`);
    const tested = [...CHECKS, ...UNIQUES, ...RULES].map(({ name }) => name);
    expect(rows.map(({ name }) => name).sort()).toEqual(
      [...new Set([...tested, ...FOREIGN_KEYS, ...IMPLIED_BY_PRIMARY_KEY, ...STAMPS])].sort(),
    );
  });

  it('has an index on the column of every foreign key that needs one', async () => {
    const { rows } = await sql.query<{ name: string }>(`
      SELECT conname AS name FROM pg_constraint con
      WHERE contype = 'f' AND connamespace = 'public'::regnamespace AND NOT EXISTS
        (SELECT FROM pg_index WHERE indrelid = conrelid AND indpred IS NULL AND indkey[0] = conkey[1])`);
    // Not used for lookups, and the referenced rows are never deleted.
    expect(rows.map(({ name }) => name).sort()).toEqual([
      'identity_history_user_id_fkey',
      'inherited_redemptions_code_id_fkey',
      'inherited_redemptions_order_id_fkey',
      'orders_batch_id_fkey',
      'orders_plan_id_fkey',
      'orders_redeemed_by_id_fkey',
      'orders_subscription_id_fkey',
      'redemptions_subscription_id_fkey',
      // Has a partial index.
      'user_subscriptions_absorbed_by_id_fkey',
    ]);
  });

  it.each(Object.keys(Prisma.ModelName))('has every column of the Prisma model %s', async (model) => {
    const delegate = `${model.charAt(0).toLowerCase()}${model.slice(1)}`;
    const tables = db as unknown as Record<string, { findFirst(): Promise<unknown> }>;
    expect(await tables[delegate]?.findFirst()).toBeTruthy();
  });
});

describe('an error raised by a trigger', () => {
  it('has its constraint name in Prisma errors, too', async () => {
    const refused = db.auditEntry.update({ where: { id: base.audit.id }, data: { action: 'nothing' } });
    await expect(refused).rejects.toSatisfy(
      (error) => violatedConstraint(error) === 'audit_entries_are_fixed' && sqlState(error) === CHECK,
    );
  });
});

describe('an order row', () => {
  const STATUSES: OrderStatus[] = ['PAID', 'FINISHED', 'CLOSED', 'FAILED'];
  const LEGAL = ['PAID FINISHED', 'PAID FAILED', 'PAID CLOSED', 'FAILED PAID'];
  const pairs = STATUSES.flatMap((from) => STATUSES.filter((to) => to !== from).map((to) => ({ from, to })));

  it.each(pairs)(
    'changes its status from $from to $to only if the transition is legal',
    async ({ from, to }) => {
      const order = await build.buildOrder(db, { status: from });
      const statement = `UPDATE orders SET status = '${to}',
      failure_code = ${to === 'FAILED' ? `'QUOTA_EXCEEDED'` : 'NULL'},
      subscription_id = ${to === 'FINISHED' ? `'${base.subscription.id}'` : 'NULL'},
      finished_at = ${to === 'PAID' ? 'NULL' : 'now()'},
      next_attempt_at = ${to === 'PAID' ? 'now()' : 'NULL'} WHERE id = '${order.id}'`;
      const expected = LEGAL.includes(`${from} ${to}`)
        ? undefined
        : { constraint: 'orders_status_transition', code: CHECK };
      expect(await undone(() => refusal(statement))).toEqual(expected);
    },
  );

  it('can move to another owner, while its redeemer stays', async () => {
    const order = await build.buildOrder(db, { status: 'FINISHED' });
    const heir = await build.buildUser(db);
    const moved = await db.order.update({ where: { id: order.id }, data: { userId: heir.id } });
    expect(moved).toMatchObject({ userId: heir.id, redeemedById: order.redeemedById });
  });
});

describe('a device row', () => {
  it('moves to another account together with its identity and sessions', async () => {
    const device = await build.buildDevice(db);
    const session = await build.buildSession(db, { userId: device.userId, deviceId: device.id });
    const heir = await build.buildUser(db);
    await db.identity.update({ where: { id: device.identityId }, data: { userId: heir.id } });
    expect(await db.device.findUniqueOrThrow({ where: { id: device.id } })).toHaveProperty('userId', heir.id);
    expect(await db.session.findUniqueOrThrow({ where: { id: session.id } })).toHaveProperty(
      'userId',
      heir.id,
    );
  });

  it('is deleted with its identity and its own sessions, but its stays remain', async () => {
    const device = await build.buildDevice(db);
    const { userId, id: deviceId } = device;
    const own = await build.buildSession(db, { userId, deviceId });
    const other = await build.buildSession(db, { userId });
    const stay = await build.buildDeviceStay(db, { userId, deviceId });
    await db.identity.delete({ where: { id: device.identityId } });
    expect(await db.device.findUnique({ where: { id: deviceId } })).toBeNull();
    expect(await db.session.findUnique({ where: { id: own.id } })).toBeNull();
    expect(await db.session.findUnique({ where: { id: other.id } })).toMatchObject({
      userId,
      deviceId: null,
    });
    expect(await db.deviceStay.findUnique({ where: { id: stay.id } })).toMatchObject({
      userId,
      deviceId: null,
    });
  });
});

describe('the revision of a subscription', () => {
  const revisionOf = async (id: string) =>
    (await db.userSubscription.findUniqueOrThrow({ where: { id } })).revision;

  it.each([
    ['status', { status: 'STOPPED' }],
    ['expiration', { expiresAt: build.inDays(60) }],
    ['credential', { credential: randomUUID() }],
  ] as const)('increases when its %s changes', async (_what, data) => {
    const { id, revision } = await build.buildSubscription(db);
    await db.userSubscription.update({ where: { id }, data });
    expect(await revisionOf(id)).toBeGreaterThan(revision);
  });

  it.each([
    ['owner', async () => ({ userId: (await build.buildUser(db)).id })],
    ['plan', async () => ({ planId: (await build.buildPlan(db)).id })],
  ])('increases when its %s changes', async (_what, other) => {
    const { id, revision } = await build.buildSubscription(db);
    await db.userSubscription.update({ where: { id }, data: await other() });
    expect(await revisionOf(id)).toBeGreaterThan(revision);
  });

  it('does not increase when only traffic is counted', async () => {
    const { id, revision } = await build.buildSubscription(db);
    await db.userSubscription.update({ where: { id }, data: { upload: 5n, download: 6n, status: 'ACTIVE' } });
    expect(await revisionOf(id)).toBe(revision);
  });

  it.each([
    ['disabled', { enabled: false }],
    ['closed', { deletedAt: build.inDays(0) }],
  ])('increases when its user is %s, unless the subscription has ended', async (_what, data) => {
    const live = await build.buildSubscription(db);
    const { userId } = live;
    const over = await build.buildSubscription(db, { userId, traits: ['stopped'] });
    await db.user.update({ where: { id: userId }, data });
    expect(await revisionOf(live.id)).toBeGreaterThan(live.revision);
    expect(await revisionOf(over.id)).toBe(over.revision);
  });

  it('is updated in ascending order of ids, which prevents deadlocks', async () => {
    const [low, high] = ['00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000002'];
    const { id: userId } = await build.buildUser(db);
    // Stored in descending order on disk.
    for (const id of [high, low]) await build.buildSubscription(db, { id, userId });
    const lock = (id: string) =>
      `SELECT id FROM user_subscriptions WHERE id = '${id}' FOR NO KEY UPDATE NOWAIT`;
    const { disabling } = await undone(async () => {
      await sql.query(lock(low));
      const { rows } = await sql.query('SELECT pg_backend_pid() AS pid');
      const disabling = db.user
        .update({ where: { id: userId }, data: { enabled: false } })
        .then(() => 'done');
      await waitUntilBlockedBy(rows[0].pid);
      await sql.query(lock(high));
      return { disabling };
    });
    expect(await disabling).toBe('done');
  });

  it('is the id of the transaction that wrote it', async () => {
    const { rows } = await undone(() =>
      sql.query(
        `UPDATE user_subscriptions SET status = 'STOPPED' WHERE id = '${base.subscription.id}'
         RETURNING revision, pg_current_xact_id()::text AS transaction`,
      ),
    );
    expect(rows[0].revision).toBe(rows[0].transaction);
  });
});

describe('tessera_now()', () => {
  it('returns the start of the transaction, truncated to milliseconds', async () => {
    const { rows } = await sql.query(`SELECT tessera_now() = date_trunc('milliseconds', now()) AS same`);
    expect(rows).toEqual([{ same: true }]);
  });

  it.each(['31 days', '-1 hour', ''])('adds the offset "%s"', async (offset) => {
    const { rows } = await undone(async () => {
      await sql.query(`SET LOCAL tessera.clock_offset = '${offset}'`);
      return sql.query(
        `SELECT tessera_now() = date_trunc('milliseconds', now()) + interval '${offset || '0'}' AS shifted`,
      );
    });
    expect(rows).toEqual([{ shifted: true }]);
  });

  it('is the default of created_at', async () => {
    const { rows } = await undone(async () => {
      await sql.query(`SET LOCAL tessera.clock_offset = '31 days'`);
      return sql.query(
        `INSERT INTO users (id) VALUES (gen_random_uuid()) RETURNING created_at = tessera_now() AS same`,
      );
    });
    expect(rows).toEqual([{ same: true }]);
  });
});
