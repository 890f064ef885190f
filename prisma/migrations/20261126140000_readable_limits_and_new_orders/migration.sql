-- Times beyond the year 9999 have no RFC 3339 form, and times before the year 1 none that JavaScript reads: a row with one
-- could not be read. Quantities of 9,000 years wrote them.
UPDATE "user_subscriptions" SET
  "expires_at" = CASE WHEN "expires_at" IS NOT NULL THEN least("expires_at", '9999-12-31 23:59:59.999Z') END,
  "trial_ends_at" = CASE WHEN "trial_ends_at" IS NOT NULL THEN least("trial_ends_at", '9999-12-31 23:59:59.999Z') END,
  "next_reset_at" = CASE WHEN "next_reset_at" IS NOT NULL THEN least("next_reset_at", '9999-12-31 23:59:59.999Z') END
WHERE "expires_at" >= '10000-01-01Z' OR "trial_ends_at" >= '10000-01-01Z' OR "next_reset_at" >= '10000-01-01Z';

ALTER TABLE "user_subscriptions" ADD CONSTRAINT "user_subscriptions_readable_times_check" CHECK (
  "starts_at" >= '0001-01-01Z' AND "expires_at" < '10000-01-01Z' AND "trial_ends_at" < '10000-01-01Z'
  AND "next_reset_at" < '10000-01-01Z');
ALTER TABLE "redemption_batches" ADD CONSTRAINT "redemption_batches_readable_times_check"
  CHECK ("expires_at" >= '0001-01-01Z' AND "expires_at" < '10000-01-01Z');
ALTER TABLE "redemption_codes" ADD CONSTRAINT "redemption_codes_readable_times_check"
  CHECK ("expires_at" >= '0001-01-01Z' AND "expires_at" < '10000-01-01Z');
ALTER TABLE "ads" ADD CONSTRAINT "ads_readable_times_check"
  CHECK ("start_at" >= '0001-01-01Z' AND "start_at" < '10000-01-01Z' AND "end_at" >= '0001-01-01Z' AND "end_at" < '10000-01-01Z');

-- Merges left two new orders, and a first order that failed left none.
WITH "counted" AS (
  SELECT "id", "is_new", row_number() OVER (PARTITION BY "user_id" ORDER BY "is_new" DESC, "created_at", "id") AS "place",
    EXISTS (SELECT FROM "inherited_redemptions" i WHERE i."user_id" = o."user_id") AS "inherits"
  FROM "orders" o WHERE "status" IN ('PAID', 'FINISHED'))
UPDATE "orders" SET "is_new" = "place" = 1
FROM "counted" c
WHERE "orders"."id" = c."id" AND (c."is_new" AND "place" > 1 OR NOT c."is_new" AND "place" = 1 AND NOT "inherits");
