-- AlterTable
ALTER TABLE "traffic_reports" ADD COLUMN     "refusals" JSONB;

-- AlterTable
ALTER TABLE "user_subscriptions" ADD COLUMN     "bonus_traffic" BIGINT NOT NULL DEFAULT 0;

-- What a merge has added to a limit ends with the period, so only a limit that comes back each period can have it.
ALTER TABLE "user_subscriptions"
  ADD CONSTRAINT "user_subscriptions_bonus_traffic_check" CHECK
    ("bonus_traffic" BETWEEN 0 AND CASE "reset_cycle" WHEN 'NEVER' THEN 0 ELSE coalesce("traffic_limit", 0) END);
