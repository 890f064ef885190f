-- Outside a transaction.
DROP INDEX CONCURRENTLY IF EXISTS "device_stays_ended_at_idx";

CREATE INDEX CONCURRENTLY "device_stays_ended_at_idx" ON "device_stays" ("ended_at") WHERE "ended_at" IS NOT NULL;

DROP INDEX CONCURRENTLY IF EXISTS "wrong_guesses_day_idx";

CREATE INDEX CONCURRENTLY "wrong_guesses_day_idx" ON "wrong_guesses" ("day");
