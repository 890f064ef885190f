-- Entries are still never changed, but the erasure of a user may remove network addresses.
CREATE FUNCTION tessera_only_erases_address() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(current_setting('tessera.erasure', true), '') = 'on' AND NEW.ip IS NULL
    AND to_jsonb(NEW) - 'ip' = to_jsonb(OLD) - 'ip' THEN
    RETURN NEW;
  END IF;
  RAISE EXCEPTION 'audit entries are only ever added (constraint "%")', TG_NAME
    USING ERRCODE = 'check_violation', CONSTRAINT = TG_NAME, TABLE = TG_TABLE_NAME, SCHEMA = TG_TABLE_SCHEMA;
END
$$;

CREATE TRIGGER "audit_entries_are_fixed" BEFORE UPDATE ON "audit_entries" FOR EACH ROW
  EXECUTE FUNCTION tessera_only_erases_address();

DROP TRIGGER "audit_entries_append_only" ON "audit_entries";

CREATE TRIGGER "audit_entries_append_only" BEFORE TRUNCATE ON "audit_entries"
  FOR EACH STATEMENT EXECUTE FUNCTION tessera_refuse('audit entries are only ever added');
