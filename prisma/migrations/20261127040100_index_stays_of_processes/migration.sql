-- Outside a transaction.
DROP INDEX CONCURRENTLY IF EXISTS "device_stays_open_process_id_idx";

CREATE INDEX CONCURRENTLY "device_stays_open_process_id_idx" ON "device_stays" ("process_id") WHERE "ended_at" IS NULL;
