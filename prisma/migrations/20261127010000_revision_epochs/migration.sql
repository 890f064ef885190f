-- AlterTable
ALTER TABLE "service_state" ADD COLUMN "incarnation" TEXT, ADD COLUMN "revision_offset" BIGINT NOT NULL DEFAULT 0;

-- Changes if this database is a restored copy, or if its server was replaced by a standby or by an older state: then
-- agents may have seen changes that this database does not have. Null on a standby.
CREATE FUNCTION tessera_incarnation() RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
  history text := '';
BEGIN
  IF pg_is_in_recovery() THEN RETURN NULL; END IF;
  BEGIN
    history := (SELECT system_identifier::text FROM pg_control_system())
      || '/' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8);
  EXCEPTION WHEN OTHERS THEN
    -- Some hosted servers do not have or permit these functions. The other parts remain.
  END;
  RETURN concat_ws('/', history, (SELECT oid FROM pg_database WHERE datname = current_database()),
    'public.service_state'::regclass::oid);
END
$$;

-- The offset makes the revisions of a new incarnation greater than any that an agent may have seen.
CREATE OR REPLACE FUNCTION tessera_revision() RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT pg_current_xact_id()::text::bigint + (SELECT revision_offset FROM public.service_state)
$$;

-- No change with a smaller revision can appear any more: the revision of the oldest transaction that is still running and
-- may write to this database. Transactions of other databases of the cluster do not count, but those do whose end this
-- snapshot does not see. (pg_stat_activity has the lower 32 bits of a transaction id.)
CREATE FUNCTION tessera_horizon() RETURNS bigint LANGUAGE sql STABLE AS $$
  SELECT coalesce(min(running.id), pg_snapshot_xmax(pg_current_snapshot())::text::bigint)
    + (SELECT revision_offset FROM public.service_state)
  FROM (SELECT x::text::bigint AS id FROM pg_snapshot_xip(pg_current_snapshot()) AS x) AS running
  WHERE NOT EXISTS (
    SELECT FROM pg_stat_activity AS a
    WHERE a.datid <> (SELECT oid FROM pg_database WHERE datname = current_database())
      AND a.backend_xid::text::bigint = running.id & 4294967295
  ) AND NOT EXISTS (
    SELECT FROM pg_prepared_xacts AS p
    WHERE p.database <> current_database() AND p.transaction::text::bigint = running.id & 4294967295
  )
$$;
