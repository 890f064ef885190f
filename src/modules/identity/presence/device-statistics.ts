import { sqlState, type Transaction } from '../../../platform/database/database.ts';
import { PlatformError } from '../../../platform/errors.ts';
import { ASSUMED_END_SQL, HOLDER_SQL, IS_HELD_SQL } from './stay-holder.ts';

/**
 * When the devices of an account were online. The GraphQL type `DeviceStatistics` documents the
 * fields.
 */
export interface StayStatistics {
  /** Seven days, ending today; `date` as `YYYY-MM-DD`. */
  days: { date: string; hours: number }[];
  longestStaySeconds: number;
  currentStreakDays: number;
  longestStreakDays: number;
}

/**
 * Bounds the cost of the query. Five busy devices produce about this many presence intervals in a
 * year.
 */
const MAX_STAYS = 10_000;

/**
 * Computes presence statistics over all devices of an account, including devices that it no longer
 * has. Days are calendar days in the time zone, so one may have 23 or 25 hours. Time when several
 * devices were online counts once.
 *
 * @param timeZone IANA name with a slash, such as `Europe/Berlin`, `UTC`, or an offset: `+05:30`
 * @throws PlatformError BAD_USER_INPUT if the time zone is unknown
 */
export async function deviceStatistics(
  { db }: { db: Pick<Transaction, '$queryRaw'> },
  { userId, timeZone = 'UTC' }: { userId: string; timeZone?: string | undefined },
): Promise<StayStatistics> {
  const zone = toPostgres(timeZone);
  if (zone === undefined) throw unknownTimeZone();
  try {
    const [statistics] = await readStatistics({ db }, { userId, timeZone: zone });
    return statistics;
  } catch (error) {
    if (sqlState(error) === INVALID_PARAMETER_VALUE) throw unknownTimeZone();
    throw error;
  }
}

const INVALID_PARAMETER_VALUE = '22023';

function unknownTimeZone() {
  const message =
    'timeZone: must be an IANA time zone such as Europe/Berlin, UTC, or an offset such as +05:30';
  return new PlatformError('BAD_USER_INPUT', { field: 'timeZone', message });
}

const OFFSET = /^([+-])(0\d|1[0-4]):([0-5]\d)$/;

/**
 * The time zone as PostgreSQL reads it. Abbreviations are refused: `IST` is India, Israel or
 * Ireland. PostgreSQL reads the sign of an offset as POSIX does: west of Greenwich is positive.
 */
function toPostgres(timeZone: string): string | undefined {
  const [, sign, hours, minutes] = OFFSET.exec(timeZone) ?? [];
  if (sign) return `<offset>${sign === '+' ? '-' : '+'}${hours}:${minutes}`;
  if (!/^(?:[A-Za-z]\w*(?:\/[\w+-]+)+|UTC)$/i.test(timeZone)) return undefined;
  try {
    new Intl.DateTimeFormat('en', { timeZone });
    return timeZone;
  } catch {
    return undefined;
  }
}

function readStatistics(
  { db }: { db: Pick<Transaction, '$queryRaw'> },
  { userId, timeZone }: { userId: string; timeZone: string },
): Promise<[StayStatistics]> {
  return db.$queryRaw<[StayStatistics]>`
    WITH stays AS MATERIALIZED (
      -- An open interval lasts until now, unless its instance crashed.
      SELECT tstzrange(s.started_at, greatest(s.started_at, coalesce(s.ended_at,
        CASE WHEN ${IS_HELD_SQL} THEN tessera_now() ELSE ${ASSUMED_END_SQL} END))) AS time
      FROM device_stays s ${HOLDER_SQL} WHERE s.user_id = ${userId}::uuid
      ORDER BY s.started_at DESC LIMIT ${MAX_STAYS}
    ), online AS MATERIALIZED (
      -- Joins overlapping and adjacent intervals. PostgreSQL 14 cannot unnest range_agg(time).
      SELECT tstzrange(min(lower(time)), max(upper(time))) AS time
      FROM (
        SELECT time, count(*) FILTER (WHERE begins) OVER (ORDER BY time) AS island
        FROM (
          SELECT time, lower(time) <= max(upper(time)) OVER
            (ORDER BY time ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) IS NOT TRUE AS begins
          FROM stays WHERE NOT isempty(time)
        ) AS ordered
      ) AS numbered
      GROUP BY island
    ), today AS (
      SELECT (tessera_now() AT TIME ZONE ${timeZone})::date AS date
    ), days AS (
      SELECT day.date, tstzrange(day.date::timestamp AT TIME ZONE ${timeZone},
        (day.date + 1)::timestamp AT TIME ZONE ${timeZone}) AS time
      FROM today, LATERAL (SELECT today.date - days_ago AS date FROM generate_series(0, 6) AS days_ago) AS day
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
