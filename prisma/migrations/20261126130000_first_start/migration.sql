-- AlterTable
ALTER TABLE "service_state" ADD COLUMN "first_start_finished_at" TIMESTAMPTZ(3);

-- A database with users has been started before, unless that start ended while it created the demo
-- data, of which the batches are the last part.
UPDATE "service_state" SET "first_start_finished_at" = tessera_now()
WHERE EXISTS (SELECT FROM "users")
  AND (NOT EXISTS (SELECT FROM "plans" WHERE "id" = '01930000-0000-7000-8000-000000000001')
    OR EXISTS (SELECT FROM "redemption_batches" WHERE "idempotency_key" = 'demo data: unlimited'));
