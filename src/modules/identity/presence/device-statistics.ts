import { sqlState, type Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';

/** When the devices of an account were online. */
export interface DeviceStatistics {
  /** Seven, today last; `date` as `YYYY-MM-DD`. */
  days: { date: string; hours: number }[];
  longestStaySeconds: number;
  currentStreakDays: number;
  longestStreakDays: number;
}

/** So that it costs the same whatever an account has done: for five busy devices the stays of about a year. */
const LATEST_STAYS = 10_000;

/**
 * Counts the stays of all devices of the account, those it has lost included, by the calendar days of the time zone.
 * Devices that were online at the same time count once. A day may have 23 or 25 hours.
 *
 * @param timeZone of the IANA database, as `Europe/Berlin`
 * @throws PlatformError BAD_USER_INPUT for an unknown time zone
 */
export async function deviceStatistics(
  { db }: { db: Pick<Transaction, '$queryRaw'> },
  { userId, timeZone = 'UTC' }: { userId: string; timeZone?: string | undefined },
): Promise<DeviceStatistics> {
  if (!isTimeZone(timeZone)) throw unknownTimeZone();
  try {
    const [statistics] = await readStatistics({ db }, { userId, timeZone });
    return statistics;
  } catch (error) {
    if (sqlState(error) === INVALID_PARAMETER_VALUE) throw unknownTimeZone();
    throw error;
  }
}

const INVALID_PARAMETER_VALUE = '22023';

function unknownTimeZone() {
  const message = 'timeZone: not a time zone of the IANA database, as Europe/Berlin';
  return new PlatformError('BAD_USER_INPUT', { field: 'timeZone', message });
}

/** PostgreSQL would take offsets too, with the sign of POSIX: what `+01:00` says would lie in the west. */
function isTimeZone(name: string): boolean {
  if (!/^[A-Za-z]/.test(name)) return false;
  try {
    return Boolean(new Intl.DateTimeFormat('en', { timeZone: name }));
  } catch {
    return false;
  }
}

function readStatistics(
  { db }: { db: Pick<Transaction, '$queryRaw'> },
  { userId, timeZone }: { userId: string; timeZone: string },
): Promise<[DeviceStatistics]> {
  return db.$queryRaw<[DeviceStatistics]>`
    WITH stays AS MATERIALIZED (
      -- An open stay lasts until now, unless its process has died.
      SELECT tstzrange(started_at, greatest(started_at, coalesce(ended_at,
        CASE WHEN last_seen_at < tessera_now() - interval '25 seconds' THEN last_seen_at ELSE tessera_now() END))) AS time
      FROM device_stays WHERE user_id = ${userId}::uuid
      ORDER BY started_at DESC LIMIT ${LATEST_STAYS}
    ), online AS MATERIALIZED (
      SELECT unnest(range_agg(time)) AS time FROM stays
    ), today AS (
      SELECT (tessera_now() AT TIME ZONE ${timeZone})::date AS date
    ), days AS (
      SELECT day.date, tstzrange(day.date::timestamp AT TIME ZONE ${timeZone},
        (day.date + 1)::timestamp AT TIME ZONE ${timeZone}) AS time
      FROM today, LATERAL (SELECT today.date - back AS date FROM generate_series(0, 6) AS back) AS day
    ), hours AS (
      SELECT days.date, coalesce(sum(extract(epoch FROM upper(days.time * o.time) - lower(days.time * o.time))), 0) / 3600 AS hours
      FROM days LEFT JOIN online o ON o.time && days.time
      GROUP BY days.date
    ), active AS (
      SELECT DISTINCT date::date
      FROM online, LATERAL generate_series((lower(time) AT TIME ZONE ${timeZone})::date,
        ((upper(time) - interval '1 millisecond') AT TIME ZONE ${timeZone})::date, interval '1 day') AS date
    ), streaks AS (
      SELECT count(*) AS length, max(date) AS last
      FROM (SELECT date, date - row_number() OVER (ORDER BY date)::int AS streak FROM active) AS numbered
      GROUP BY streak
    )
    SELECT
      (SELECT json_agg(json_build_object('date', to_char(date, 'YYYY-MM-DD'), 'hours', hours::float8) ORDER BY date)
        FROM hours) AS days,
      (SELECT coalesce(floor(extract(epoch FROM max(upper(time) - lower(time)))), 0)::int FROM stays)
        AS "longestStaySeconds",
      (SELECT coalesce(max(length), 0)::int FROM streaks, today WHERE last >= today.date - 1)
        AS "currentStreakDays",
      (SELECT coalesce(max(length), 0)::int FROM streaks) AS "longestStreakDays"`;
}
