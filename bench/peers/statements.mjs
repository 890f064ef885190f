// The SQL of the peer. Each statement returns what a query selects, nested parts as JSON.

const iso = (column) => `to_char(${column} AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')`;

/** EXPIRED as soon as the time has passed, as the product reports it. */
const status = (alias) => `CASE WHEN ${alias}.expires_at <= tessera_now() AND ${alias}.status <> 'STOPPED'
  THEN 'EXPIRED' ELSE ${alias}.status::text END`;

const TYPENAME = `CASE n.protocol WHEN 'SHADOWSOCKS' THEN 'ShadowsocksConfig' WHEN 'VMESS' THEN 'VmessConfig'
  WHEN 'VLESS' THEN 'VlessConfig' WHEN 'TROJAN' THEN 'TrojanConfig' ELSE 'Hysteria2Config' END`;

const NODES = `SELECT json_agg(json_build_object('id', s.id || ':' || n.id, 'nodeId', n.id, 'name', n.name,
    'protocol', n.protocol, 'address', coalesce(n.address, v.address), 'port', n.port, 'tags', n.tags,
    'online', coalesce(v.last_seen_at > tessera_now() - interval '1 minute', false), 'credential', s.credential,
    'clientConfig', n.client_config || jsonb_build_object('__typename', ${TYPENAME}))
    ORDER BY n.sort, n.name, n.id)
  FROM nodes n JOIN servers v ON v.id = n.server_id AND v.deleted_at IS NULL
  WHERE n.enabled AND n.deleted_at IS NULL AND (n.tags && p.node_tags
    OR EXISTS (SELECT FROM plan_nodes pn WHERE pn.plan_id = p.id AND pn.node_id = n.id))`;

const SUBSCRIPTIONS = `SELECT json_agg(json_build_object('id', s.id, 'status', ${status('s')},
    'expiresAt', ${iso('s.expires_at')}, 'plan', json_build_object('id', p.id, 'name', p.name),
    'nodes', CASE WHEN ${status('s')} = 'ACTIVE' THEN coalesce((${NODES}), '[]') ELSE '[]' END) ORDER BY s.id DESC)
  FROM user_subscriptions s JOIN plans p ON p.id = s.plan_id WHERE s.user_id = u.id`;

const DEVICES = `SELECT json_build_object(
    'totalCount', (SELECT count(*) FROM devices d WHERE d.user_id = u.id),
    'nodes', coalesce(json_agg(json_build_object('id', d.id, 'name', d.name) ORDER BY d.id DESC), '[]'))
  FROM (SELECT id, name FROM devices d WHERE d.user_id = u.id ORDER BY id DESC LIMIT 20) d`;

const ORDER = `o.id, o.order_no AS "orderNo", o.status::text AS status, o.created_at AS "createdAt",
  o.finished_at AS "finishedAt", json_build_object('id', p.id, 'name', p.name) AS plan`;

const ORDER_OF_USER = `SELECT ${ORDER}, CASE WHEN s.id IS NOT NULL THEN json_build_object('id', s.id,
    'status', ${status('s')}, 'expiresAt', ${iso('s.expires_at')}) END AS subscription
  FROM orders o JOIN plans p ON p.id = o.plan_id LEFT JOIN user_subscriptions s ON s.id = o.subscription_id`;

export const STATEMENTS = {
  session: `SELECT s.id AS "sessionId", s.user_id AS "userId",
      CASE WHEN s.device_id IS NULL THEN u.role::text ELSE 'USER' END AS role
    FROM sessions s JOIN users u ON u.id = s.user_id LEFT JOIN devices d ON d.id = s.device_id
    WHERE s.id = $1 AND s.revoked_at IS NULL AND s.expires_at > tessera_now() AND u.enabled
      AND u.deleted_at IS NULL AND d.enabled IS NOT FALSE`,
  globalConfig: 'SELECT name, description FROM site_settings WHERE id = 1',
  viewer: `SELECT u.id, u.role::text AS role, (${DEVICES}) AS devices,
      coalesce((${SUBSCRIPTIONS}), '[]') AS subscriptions
    FROM users u WHERE u.id = $1`,
  order: `${ORDER_OF_USER} WHERE o.id = $1 AND (o.user_id = $2 OR $3)`,
  userOrders: `${ORDER_OF_USER} WHERE o.user_id = $1 AND o.status <> 'CLOSED' ORDER BY o.id DESC LIMIT $2`,
  allOrders: `SELECT ${ORDER}, json_build_object('id', u.id, 'email', i.value) AS user
    FROM orders o JOIN plans p ON p.id = o.plan_id JOIN users u ON u.id = o.user_id
    LEFT JOIN identities i ON i.user_id = u.id AND i.type = 'EMAIL'
    WHERE o.status <> 'CLOSED' ORDER BY o.id DESC LIMIT $1`,
  codes: `SELECT c.id, c.ciphertext, c.enabled AND b.enabled AS enabled, c.max_uses AS "maxUses",
      c.used_count AS "usedCount", c.reserved_count AS "reservedCount", c.expires_at AS "expiresAt",
      c.created_at AS "createdAt", c.note, json_build_object('id', p.id, 'name', p.name) AS plan,
      json_build_object('id', b.id, 'label', b.label) AS batch
    FROM redemption_codes c JOIN redemption_batches b ON b.id = c.batch_id JOIN plans p ON p.id = b.plan_id
    WHERE c.deleted_at IS NULL AND b.deleted_at IS NULL ORDER BY c.id DESC LIMIT $1`,
};
