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
