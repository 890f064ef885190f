import { uuidv7 } from 'uuidv7';
import type { Transaction } from '../../../platform/database/database.ts';
import type { Services } from '../../../platform/services.ts';
import { onlineLimitSql } from './online-limits.ts';
import { HOLDER_SQL, IS_HELD_SQL } from './stay-holder.ts';

/*
 * A stay (table `device_stays`) is a presence interval: the time during which a device was online
 * for one account. It is open while `ended_at` is null, and stale if the process that opened it no
 * longer runs.
 */

type StayServices = Pick<Services, 'db' | 'processId'>;

/** A device that is online, and the account that it belongs to. */
export interface OnlineDevice {
  userId: string;
  deviceId: string;
}

/**
 * Gives each device an open presence interval that this process holds: its current one, else the
 * one that ended less than a minute ago, else a new one. Devices that were deleted and devices with
 * an online limit of 0 get none. Idempotent.
 *
 * @returns the online limit of each device's account: the largest device limit among its live
 *   subscriptions; null means unlimited. Deleted devices are left out
 */
export async function openStays(
  { db, processId }: StayServices,
  deviceIds: readonly string[],
): Promise<Map<string, number | null>> {
  const stayIds = deviceIds.map(() => uuidv7());
  // Rows are locked by ascending id, because another instance may update the same devices.
  const rows = await db.$queryRaw<{ deviceId: string; deviceLimit: number | null }[]>`
    WITH found AS MATERIALIZED (
      SELECT d.id AS device_id, d.user_id, v.stay_id
      FROM unnest(${[...deviceIds]}::uuid[], ${stayIds}::uuid[]) AS v(device_id, stay_id)
      JOIN devices d ON d.id = v.device_id
      ORDER BY d.id FOR KEY SHARE OF d
    ), connecting AS MATERIALIZED (
      SELECT found.*, l.device_limit
      FROM found CROSS JOIN LATERAL (${onlineLimitSql('found.user_id')}) l
    ), recent AS MATERIALIZED (
      SELECT s.id, s.device_id, s.ended_at
      FROM connecting c JOIN device_stays s ON s.device_id = c.device_id AND s.user_id = c.user_id
      WHERE c.device_limit IS DISTINCT FROM 0
        AND (s.ended_at IS NULL OR s.ended_at > tessera_now() - interval '1 minute')
      ORDER BY s.id FOR NO KEY UPDATE OF s
    ), continued AS (
      UPDATE device_stays s
      SET ended_at = NULL, last_seen_at = greatest(s.last_seen_at, tessera_now()), process_id = ${processId}::uuid
      FROM (SELECT DISTINCT ON (device_id) id FROM recent ORDER BY device_id, ended_at DESC NULLS FIRST) latest
      WHERE s.id = latest.id
      RETURNING s.device_id
    ), opened AS (
      INSERT INTO device_stays (id, user_id, device_id, process_id)
      SELECT stay_id, user_id, device_id, ${processId}::uuid FROM connecting c
      WHERE c.device_limit IS DISTINCT FROM 0
        AND NOT EXISTS (SELECT FROM continued WHERE continued.device_id = c.device_id)
      ORDER BY device_id
      ON CONFLICT (device_id) WHERE ended_at IS NULL DO NOTHING
    )
    SELECT device_id AS "deviceId", device_limit AS "deviceLimit" FROM connecting`;
  return new Map(rows.map(({ deviceId, deviceLimit }) => [deviceId, deviceLimit]));
}

/** Returns the ids of the devices without an open interval that a running process holds. */
export async function devicesWithoutStay(
  { db }: Pick<Services, 'db'>,
  deviceIds: readonly string[],
): Promise<string[]> {
  const rows = await db.$queryRaw<{ deviceId: string }[]>`
    SELECT v.id AS "deviceId" FROM unnest(${[...deviceIds]}::uuid[]) AS v(id)
    WHERE NOT EXISTS (
      SELECT FROM device_stays s JOIN devices d ON d.id = s.device_id AND d.user_id = s.user_id ${HOLDER_SQL}
      WHERE s.device_id = v.id AND s.ended_at IS NULL AND ${IS_HELD_SQL})`;
  return rows.map(({ deviceId }) => deviceId);
}

/**
 * Ends the open presence intervals of devices that went offline. Skips intervals of other accounts.
 */
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

/**
 * Ends the open presence intervals of devices that leave their account, in the transaction that
 * unbinds them. After it, an interval can no longer be found by its device.
 */
export async function endStaysOfUnboundDevices(
  tx: Pick<Transaction, '$executeRaw'>,
  deviceIds: readonly string[],
): Promise<void> {
  // tessera_now() is frozen at the start of the transaction, and an interval may have started
  // later.
  await tx.$executeRaw`
    UPDATE device_stays
    SET ended_at = greatest(started_at, tessera_now()), last_seen_at = greatest(started_at, tessera_now())
    WHERE device_id = ANY(${[...deviceIds]}::uuid[]) AND ended_at IS NULL`;
}
