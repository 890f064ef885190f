import { uuidv7 } from 'uuidv7';
import type { Services } from '../../../platform/services.ts';
import { isLiveSql } from '../../subscription/subscription-status.ts';

/** A device that is online, and the account that it is online for. */
export interface OnlineDevice {
  userId: string;
  deviceId: string;
}

/**
 * Each of the devices has an open stay: the one it has, the one that ended less than 30 s ago, or a new one. A device
 * that may not be online (limit 0) gets none, nor does one that is gone. Doing it again changes nothing.
 *
 * @returns how many devices may be online with each: the largest limit of the live plans; null means unlimited. A
 *   device that is gone has no entry
 */
export async function openStays(
  { db }: Pick<Services, 'db'>,
  deviceIds: readonly string[],
): Promise<Map<string, number | null>> {
  const stayIds = deviceIds.map(() => uuidv7());
  // Locks are taken in the order of ids: two instances may be busy with the same devices.
  const rows = await db.$queryRaw<{ deviceId: string; deviceLimit: number | null }[]>`
    WITH present AS MATERIALIZED (
      SELECT d.id AS device_id, d.user_id, v.stay_id
      FROM unnest(${[...deviceIds]}::uuid[], ${stayIds}::uuid[]) AS v(device_id, stay_id)
      JOIN devices d ON d.id = v.device_id
      ORDER BY d.id FOR KEY SHARE OF d
    ), arriving AS MATERIALIZED (
      SELECT present.*, l.device_limit
      FROM present CROSS JOIN LATERAL (
        SELECT CASE WHEN bool_or(p.device_limit IS NULL) THEN NULL ELSE max(p.device_limit) END AS device_limit
        FROM user_subscriptions s JOIN plans p ON p.id = s.plan_id
        WHERE s.user_id = present.user_id AND ${isLiveSql('s')}) l
    ), recent AS MATERIALIZED (
      SELECT s.id, s.device_id, s.ended_at
      FROM arriving a JOIN device_stays s ON s.device_id = a.device_id AND s.user_id = a.user_id
      WHERE a.device_limit IS DISTINCT FROM 0
        AND (s.ended_at IS NULL OR s.ended_at > tessera_now() - interval '30 seconds')
      ORDER BY s.id FOR NO KEY UPDATE OF s
    ), continued AS (
      UPDATE device_stays s SET ended_at = NULL, last_seen_at = greatest(s.last_seen_at, tessera_now())
      FROM (SELECT DISTINCT ON (device_id) id FROM recent ORDER BY device_id, ended_at DESC NULLS FIRST) latest
      WHERE s.id = latest.id
      RETURNING s.device_id
    ), opened AS (
      INSERT INTO device_stays (id, user_id, device_id)
      SELECT stay_id, user_id, device_id FROM arriving a
      WHERE a.device_limit IS DISTINCT FROM 0
        AND NOT EXISTS (SELECT FROM continued c WHERE c.device_id = a.device_id)
      ORDER BY device_id
      ON CONFLICT (device_id) WHERE ended_at IS NULL DO NOTHING
    )
    SELECT device_id AS "deviceId", device_limit AS "deviceLimit" FROM arriving`;
  return new Map(rows.map(({ deviceId, deviceLimit }) => [deviceId, deviceLimit]));
}

/**
 * The open stays of the devices last until now.
 *
 * @returns the devices that have none
 */
export async function refreshStays(
  { db }: Pick<Services, 'db'>,
  deviceIds: readonly string[],
): Promise<string[]> {
  const rows = await db.$queryRaw<{ deviceId: string }[]>`
    WITH open AS MATERIALIZED (
      SELECT s.id
      FROM device_stays s JOIN devices d ON d.id = s.device_id AND d.user_id = s.user_id
      WHERE s.device_id = ANY(${[...deviceIds]}::uuid[]) AND s.ended_at IS NULL
      ORDER BY s.id FOR NO KEY UPDATE OF s
    ), refreshed AS (
      UPDATE device_stays s SET last_seen_at = greatest(s.last_seen_at, tessera_now())
      FROM open WHERE s.id = open.id
      RETURNING s.device_id
    )
    SELECT v.id AS "deviceId" FROM unnest(${[...deviceIds]}::uuid[]) AS v(id)
    WHERE NOT EXISTS (SELECT FROM refreshed r WHERE r.device_id = v.id)`;
  return rows.map(({ deviceId }) => deviceId);
}

/** The open stays of the devices end now. */
export async function endStays(
  { db }: Pick<Services, 'db'>,
  devices: readonly OnlineDevice[],
): Promise<void> {
  await db.$executeRaw`
    WITH open AS MATERIALIZED (
      SELECT s.id
      FROM device_stays s
      JOIN unnest(${devices.map(({ userId }) => userId)}::uuid[],
        ${devices.map(({ deviceId }) => deviceId)}::uuid[]) AS v(user_id, device_id)
        ON v.device_id = s.device_id AND v.user_id = s.user_id
      WHERE s.ended_at IS NULL
      ORDER BY s.id FOR NO KEY UPDATE OF s
    )
    UPDATE device_stays s
    SET ended_at = greatest(s.started_at, s.last_seen_at, tessera_now()),
      last_seen_at = greatest(s.last_seen_at, tessera_now())
    FROM open WHERE s.id = open.id`;
}
