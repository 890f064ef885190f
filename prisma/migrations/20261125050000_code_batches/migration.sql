-- AlterTable
ALTER TABLE "redemption_batches" ADD COLUMN     "next_fill_at" TIMESTAMPTZ(3) NOT NULL DEFAULT tessera_now(),
ADD COLUMN     "request_mac" BYTEA;

-- What follows is written by hand.

ALTER TABLE "redemption_batches"
  ADD CONSTRAINT "redemption_batches_request_mac_check" CHECK (octet_length("request_mac") = 32),
  ADD CONSTRAINT "redemption_batches_request_mac_has_key_check"
    CHECK ("request_mac" IS NULL OR "idempotency_key" IS NOT NULL);

-- For the sweep over batches that are not full, and to count a batch without looking at its codes: deleted ones are few.
CREATE INDEX "redemption_batches_unfinished_idx" ON "redemption_batches" ("next_fill_at")
  WHERE "created" < "count" AND "deleted_at" IS NULL;
CREATE INDEX "redemption_codes_deleted_idx" ON "redemption_codes" ("batch_id") WHERE "deleted_at" IS NOT NULL;
