-- CreateTable
CREATE TABLE "service_state" (
    "id" INTEGER NOT NULL DEFAULT 1,
    "secret_fingerprint" BYTEA,
    "seals_configs_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),

    CONSTRAINT "service_state_pkey" PRIMARY KEY ("id")
);

-- Checks

ALTER TABLE "service_state"
  ADD CONSTRAINT "service_state_one_row_check" CHECK ("id" = 1),
  ADD CONSTRAINT "service_state_secret_fingerprint_check" CHECK (octet_length("secret_fingerprint") = 32);

-- Processes of the version before can't read encrypted configs of nodes. They have an hour to end, unless the database is
-- new: then there are none.
INSERT INTO "service_state" ("id", "seals_configs_at")
SELECT 1, tessera_now() + CASE WHEN EXISTS (SELECT FROM "users") THEN interval '1 hour' ELSE interval '0' END;

-- Agents read their config again when it changes, but not when only its encryption does.
CREATE OR REPLACE TRIGGER "nodes_lists_changed" AFTER UPDATE ON "nodes" FOR EACH ROW
  WHEN ((OLD."server_id", OLD."tags", OLD."enabled", OLD."deleted_at", OLD."protocol", OLD."address", OLD."port",
      OLD."client_config")
    IS DISTINCT FROM (NEW."server_id", NEW."tags", NEW."enabled", NEW."deleted_at", NEW."protocol", NEW."address",
      NEW."port", NEW."client_config")
    OR (OLD."server_config" IS DISTINCT FROM NEW."server_config"
      AND current_setting('tessera.seals_configs', true) IS DISTINCT FROM 'on'))
  EXECUTE FUNCTION tessera_renew_user_lists_of_node();
