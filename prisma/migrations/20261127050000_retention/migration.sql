-- Entries are still never changed, but the sweep of RETENTION_AUDIT_DAYS may delete old ones.
CREATE TRIGGER "audit_entries_are_kept" BEFORE DELETE ON "audit_entries" FOR EACH ROW
  WHEN (coalesce(current_setting('tessera.retention', true), '') <> 'on'
    OR OLD."created_at" > tessera_now() - interval '30 days')
  EXECUTE FUNCTION tessera_refuse('audit entries are only deleted by the retention sweep, after 30 days or more');

DROP TRIGGER "audit_entries_append_only" ON "audit_entries";

CREATE TRIGGER "audit_entries_append_only" BEFORE UPDATE OR TRUNCATE ON "audit_entries"
  FOR EACH STATEMENT EXECUTE FUNCTION tessera_refuse('audit entries are only ever added');
